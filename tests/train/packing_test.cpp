#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <random>

#include "data/sft/sft_dataset.h"
#include "data/sft/sft_files.h"
#include "temporary_folder.h"
#include "train/model_input.h"
#include "train/tiny_llama.h"

namespace ingot::train {
namespace {

/// fp32 rounding of sums over some hundred terms in another order.
constexpr double kRounding = 1e-5;

/// What a family changes in the tiny model; a line here is all that a new one needs.
struct Family {
  const char* name;
  std::function<void(model::DecoderConfig&)> change;
};
const std::vector<Family> kFamilies{
    {"rope", [](model::DecoderConfig&) {}},
    {"alibi", [](model::DecoderConfig& config) { config.alibi = true, config.norm_head = true; }},
    {"sliding window", [](model::DecoderConfig& config) { config.sliding_window = 5; }},
    {"experts", [](model::DecoderConfig& config) { config.model_type = "mixtral", config.num_experts = 4, config.experts_per_token = 2; }},
};

std::unique_ptr<model::CausalLm> model_of(const Family& family) {
  model::DecoderConfig config = tiny_config();
  family.change(config);
  auto model = model::build_model(config, at::kFloat, "cpu");
  model::initialize_parameters(model->parameters, 3);
  return model;
}

/// Samples of 2 to 40 tokens below 64, about half of them labels.
std::shared_ptr<data::SftSamples> random_samples(const TemporaryFolder& folder, uint32_t seed, size_t count) {
  const data::SftFiles files(folder / "set");
  data::IndexedDatasetWriter tokens(files.tokens, 64), mask(files.loss_mask, data::StoredNumbers{data::StoredNumbers::Type::kU8, 0, 1}),
      weights(files.loss_weights, data::StoredNumbers{data::StoredNumbers::Type::kI32, 0, 1});
  std::mt19937 random(seed);
  for (size_t sample = 0; sample < count; ++sample) {
    std::vector<data::TokenId> ids(2 + random() % 39), labels(ids.size());
    for (auto& id : ids) id = static_cast<data::TokenId>(random() % 64);
    for (auto& label : labels) label = static_cast<data::TokenId>(random() % 2);
    tokens.add_document(ids), mask.add_document(labels), weights.add_document({});
  }
  tokens.finish(), mask.finish(), weights.finish();
  return std::make_shared<data::SftSamples>(std::vector<std::filesystem::path>{folder / "set"});
}

std::vector<uint64_t> counted(uint64_t count) {
  std::vector<uint64_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), uint64_t{0});
  return numbers;
}

/// Loss sum and gradients of batches one after another.
struct Result {
  double loss = 0;
  std::vector<at::Tensor> gradients;
};

Result run(const Family& family, const std::vector<data::Batch>& batches) {
  const auto model = model_of(family);
  Result result;
  for (const auto& batch : batches) {
    if (batch.num_labels() == 0) continue;
    const auto input = to_model_input(batch, *model);
    const at::Tensor loss = model->loss_sum(input.input, input.labels);
    loss.backward();
    result.loss += loss.item<double>();
  }
  for (const auto& parameter : model->parameters.parameters) result.gradients.push_back(parameter->value.grad());
  return result;
}

/// The largest difference, of the loss or of a gradient, as a share of the loss or of that tensor's largest gradient.
double difference(const Result& a, const Result& b) {
  double largest = std::abs(a.loss - b.loss) / std::abs(a.loss);
  for (size_t i = 0; i < a.gradients.size(); ++i) {
    const double scale = a.gradients[i].abs().max().item<double>();
    largest = std::max(largest, (a.gradients[i] - b.gradients[i]).abs().max().item<double>() / scale);
  }
  return largest;
}

std::vector<data::Batch> one_by_one(const data::SftDataset& rows) {
  std::vector<data::Batch> batches;
  for (const uint64_t row : counted(rows.num_rows())) batches.push_back(rows.batch({&row, 1}));
  return batches;
}

TEST(Packing, GivesLossAndGradientsOfTheSamplesOneByOne) {
  double worst = 0;
  for (const auto& family : kFamilies) {
    for (uint32_t seed = 1; seed <= 2; ++seed) {
      const TemporaryFolder folder;
      const auto samples = random_samples(folder, seed, 16);
      const data::SftDataset single(samples, counted(16), {.cutoff_len = 48});
      const data::SftDataset packs(samples, counted(16), {.cutoff_len = 48, .packing = true});
      const Result wanted = run(family, one_by_one(single));
      const double packed = difference(wanted, run(family, one_by_one(packs)));
      const double free = difference(wanted, run(family, {single.batch(counted(16))}));
      EXPECT_LT(packed, kRounding) << family.name << " packed, seed " << seed;
      EXPECT_LT(free, kRounding) << family.name << " padding-free, seed " << seed;
      worst = std::max({worst, packed, free});
    }
  }
  std::cout << "largest relative difference of packed and single samples: " << worst << "\n";
}

TEST(Packing, DiffersWhenAttentionCrossesSamples) {
  for (const auto& family : kFamilies) {
    const TemporaryFolder folder;
    const auto samples = random_samples(folder, 5, 24);
    const data::SftDataset packs(samples, counted(24), {.cutoff_len = 48, .packing = true});
    auto crossing = one_by_one(packs);
    const Result wanted = run(family, crossing);
    for (auto& batch : crossing) batch.segment_starts = {0, batch.seq_length};
    EXPECT_GT(difference(wanted, run(family, crossing)), 100 * kRounding) << family.name;
    for (auto& batch : crossing) std::iota(batch.positions.begin(), batch.positions.end(), 0);
    EXPECT_GT(difference(wanted, run(family, crossing)), 100 * kRounding) << family.name << " with positions that go on";
  }
}

TEST(Packing, DiffersWhenALabelIsAnotherSamplesToken) {
  const TemporaryFolder folder;
  const auto samples = random_samples(folder, 6, 24);
  const data::SftDataset packs(samples, counted(24), {.cutoff_len = 48, .packing = true});
  auto crossing = one_by_one(packs);
  const Result wanted = run(kFamilies[0], crossing);
  for (auto& batch : crossing)
    for (size_t i = 1; i + 1 < batch.segment_starts.size(); ++i) {
      const auto begin = static_cast<size_t>(batch.segment_starts[i]);
      batch.labels[begin - 1] = batch.tokens[begin];
    }
  EXPECT_GT(difference(wanted, run(kFamilies[0], crossing)), 100 * kRounding);
}

}  // namespace
}  // namespace ingot::train
