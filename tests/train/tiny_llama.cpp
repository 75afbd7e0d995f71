#include "train/tiny_llama.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <numeric>

#include "checkpoint/hf_folder.h"
#include "core/random.h"
#include "places.h"

namespace ingot::train {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kSeqLength = 16, kVocabulary = 64;

void append_row(uint64_t row, int64_t num_labels, data::Batch& batch) {
  for (int64_t i = 0; i < kSeqLength; ++i) {
    const auto token = [&](int64_t place) {
      return static_cast<data::TokenId>(random_bits(11, row, static_cast<uint64_t>(place)) % kVocabulary);
    };
    batch.tokens.push_back(token(i));
    batch.labels.push_back(i < num_labels ? token(i + 1) : data::kIgnoredLabel);
    batch.positions.push_back(static_cast<int32_t>(i));
  }
  batch.sample_ids.push_back(row);
}

}  // namespace

model::DecoderConfig tiny_config(bool tied) {
  model::DecoderConfig config;
  config.vocab_size = kVocabulary, config.hidden_size = 32, config.num_layers = 2, config.num_heads = 4;
  config.num_kv_heads = 2, config.head_dim = 8, config.intermediate_size = 48, config.max_position_embeddings = 64;
  config.initializer_range = 0.1, config.tie_word_embeddings = tied;
  return config;
}

std::unique_ptr<model::CausalLm> tiny_llama(at::ScalarType dtype, uint64_t seed, bool tied) {
  auto model = model::build_model(tiny_config(tied), dtype, "cpu");
  model::initialize_parameters(model->parameters, seed);
  return model;
}

std::unique_ptr<model::CausalLm> stories_or_tiny(at::ScalarType dtype) {
  for (const char* place : {"/examples/stories260k", "/../shared/tiny-models/stories260K-llama"}) {
    const fs::path folder = checkout().string() + place;
    if (!fs::exists(folder / "model.safetensors")) continue;
    auto model = model::build_model(model::DecoderConfig::from_folder(folder), dtype, "cpu");
    const checkpoint::HfWeights weights(folder);
    const at::NoGradGuard no_grad;
    for (const auto& parameter : model->parameters.parameters) parameter->value.copy_(weights.load(parameter->name));
    return model;
  }
  std::cout << "stories260K is not here: a random model is trained instead\n";
  return tiny_llama(dtype);
}

DataSource random_rows(uint64_t num_rows, LabelCount label_count) {
  return {num_rows, [num_rows, label_count](std::span<const uint64_t> samples) {
            data::Batch batch;
            batch.rows = static_cast<int64_t>(samples.size()), batch.seq_length = kSeqLength;
            for (const uint64_t sample : samples) {
              const uint64_t row = sample % num_rows;
              append_row(row, label_count ? label_count(row) : kSeqLength, batch);
            }
            for (int64_t row = 0; row <= batch.rows; ++row) batch.segment_starts.push_back(row * kSeqLength);
            return batch;
          }};
}

std::vector<at::Tensor> copy_weights(const model::CausalLm& model) {
  std::vector<at::Tensor> copies;
  for (const auto& parameter : model.parameters.parameters) copies.push_back(parameter->value.detach().clone());
  return copies;
}

bool same_bits(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  const auto same = [](const at::Tensor& x, const at::Tensor& y) {
    return at::equal(x.view(at::kByte), y.view(at::kByte));
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

}  // namespace ingot::train
