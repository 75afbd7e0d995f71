#include "data/sft/sft_dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "core/error.h"
#include "data/sft/sft_files.h"
#include "test_files.h"

namespace ingot::data {
namespace {

using Ids = std::vector<TokenId>;

/// A data set of samples whose token i of sample s is 10 * s + i; the tokens behind the first two are labels, which weigh
/// `weights` of the sample where it has some.
std::filesystem::path write_set(const ScratchFolder& folder, const std::string& name, const std::vector<int>& lengths,
                                const std::vector<std::vector<float>>& weights = {}) {
  const SftFiles files(folder / name);
  IndexedDatasetWriter tokens(files.tokens, 3000), mask(files.loss_mask, StoredNumbers{StoredNumbers::Type::kU8, 0, 1}),
      bits(files.loss_weights, StoredNumbers{StoredNumbers::Type::kI32, 0, 1 << 30});
  for (size_t sample = 0; sample < lengths.size(); ++sample) {
    Ids ids(static_cast<size_t>(lengths[sample])), labels(ids.size(), 1);
    std::iota(ids.begin(), ids.end(), static_cast<TokenId>(10 * sample));
    std::fill_n(labels.begin(), 2, 0);
    tokens.add_document(ids), mask.add_document(labels);
    bits.add_document(sample < weights.size() ? bits_of(weights[sample]) : Ids());
  }
  tokens.finish(), mask.finish(), bits.finish();
  return folder / name;
}

std::vector<uint64_t> first(uint64_t count) {
  std::vector<uint64_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), uint64_t{0});
  return numbers;
}

TEST(SftDataset, ConcatenatesSamplesWithoutPadding) {
  const ScratchFolder folder;
  const auto samples = std::make_shared<SftSamples>(std::vector{write_set(folder, "a", {3, 4}), write_set(folder, "b", {5})});
  const SftDataset dataset(samples, {0, 1, 2}, {.cutoff_len = 8});
  const Batch batch = dataset.batch(std::vector<uint64_t>{1, 2});
  EXPECT_EQ(batch.rows, 1);
  EXPECT_EQ(batch.seq_length, 7);
  EXPECT_EQ(batch.tokens, (Ids{10, 11, 12, 0, 1, 2, 3}));
  EXPECT_EQ(batch.labels, (Ids{-100, 12, 13, -100, 2, 3, 4}));
  EXPECT_EQ(batch.positions, (std::vector<int32_t>{0, 1, 2, 0, 1, 2, 3}));
  EXPECT_EQ(batch.segment_starts, (std::vector<int64_t>{0, 3, 7}));
  EXPECT_EQ(batch.sample_ids, (std::vector<uint64_t>{1, 2}));
}

TEST(SftDataset, WeightsAreThoseOfTheLabelsAndOneWhereASampleHasNone) {
  const ScratchFolder folder;
  const auto samples = std::make_shared<SftSamples>(std::vector{write_set(folder, "a", {3, 4, 3}, {{}, {0, 0, 0.25F, 1}})});
  const SftDataset dataset(samples, {0, 1, 2}, {.cutoff_len = 8});
  const auto weights = [&](const std::vector<uint64_t>& rows) { return dataset.batch(rows).weights; };
  EXPECT_EQ(weights({0, 1, 2}), (std::vector<float>{1, 1, 0, 0.25F, 1, 1, 1}));
  EXPECT_EQ(weights({1}), (std::vector<float>{0, 0.25F, 1}));
  EXPECT_TRUE(weights({0, 2}).empty());
}

TEST(SftDataset, RefusesWeightsOfAnotherLength) {
  const ScratchFolder folder;
  const auto prefix = write_set(folder, "a", {4}, {{0, 1}});
  EXPECT_THROW(SftSamples({prefix}), DataError);
}

TEST(SftDataset, PacksHoldEveryChosenSampleOnceAndNoLabelCrosses) {
  const ScratchFolder folder;
  std::mt19937 random(3);
  std::vector<int> lengths(200);
  for (auto& length : lengths) length = static_cast<int>(3 + random() % 60);
  const auto samples = std::make_shared<SftSamples>(std::vector{write_set(folder, "a", lengths)});
  auto chosen = first(200);
  chosen.push_back(7);  // used twice
  const SftDataset dataset(samples, chosen, {.cutoff_len = 64, .packing = true});
  std::vector<uint64_t> seen;
  for (uint64_t row = 0; row < dataset.num_rows(); ++row) {
    const Batch batch = dataset.batch({&row, 1});
    EXPECT_LE(batch.seq_length, 64);
    ASSERT_EQ(batch.segment_starts.size(), batch.sample_ids.size() + 1);
    for (size_t i = 0; i < batch.sample_ids.size(); ++i) {
      const auto ids = samples->read(batch.sample_ids[i]).ids;
      const auto begin = batch.segment_starts[i], end = batch.segment_starts[i + 1];
      EXPECT_EQ(Ids(batch.tokens.begin() + begin, batch.tokens.begin() + end), Ids(ids.begin(), ids.end() - 1));
      EXPECT_EQ(batch.labels[static_cast<size_t>(end - 1)], ids.back());
      EXPECT_EQ(batch.positions[static_cast<size_t>(begin)], 0);
      seen.push_back(batch.sample_ids[i]);
    }
  }
  std::sort(seen.begin(), seen.end()), std::sort(chosen.begin(), chosen.end());
  EXPECT_EQ(seen, chosen);
  EXPECT_GT(dataset.fill(), 0.97);
}

TEST(SftDataset, GivesEosWhereTheMaskSaysSo) {
  const Ids ids{7, 8, 9};
  const std::vector<uint8_t> mask{0, 1, 2};
  EXPECT_EQ(labels_of(ids, mask, 5), (Ids{-100, 8, 5}));
  EXPECT_NE(error_of<DataError>([&] { labels_of(ids, mask, {}); }).find("no eos"), std::string::npos);
}

TEST(SftDataset, RefusesASampleThatIsTooLong) {
  const ScratchFolder folder;
  const auto samples = std::make_shared<SftSamples>(std::vector{write_set(folder, "a", {3, 9})});
  const auto message = error_of<DataError>([&] { SftDataset(samples, {0, 1}, {.cutoff_len = 8}); });
  EXPECT_EQ(message, "sample 1 has 9 tokens, wanted at most cutoff_len = 8");
}

TEST(SftSamples, RefusesMasksThatDoNotFit) {
  const ScratchFolder folder;
  const auto prefix = write_set(folder, "a", {3, 4}), other = write_set(folder, "b", {4, 4});
  for (const char* ending : {".bin", ".idx"})
    std::filesystem::copy_file(SftFiles(other).loss_mask += ending, SftFiles(prefix).loss_mask += ending,
                               std::filesystem::copy_options::overwrite_existing);
  EXPECT_NE(error_of<DataError>([&] { SftSamples({prefix}); }).find("sample 0 has 3 tokens and a loss mask of 4"), std::string::npos);
}

}  // namespace
}  // namespace ingot::data
