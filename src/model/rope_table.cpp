#include "model/rope_table.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace ingot::model {

Rope::Rope(const DecoderConfig& config, const std::string& device)
    : config_(config),
      inverse_frequencies_(at::tensor(config.inverse_frequencies(), at::kDouble).to(at::kFloat).to(at::Device(device))) {}

/// Of every position those of its sample, which ends where the next position is not one more: [batch, seq, rotary_dim/2].
at::Tensor Rope::frequencies_by_length(const at::Tensor& positions) const {
  const auto plain = positions.to(at::kCPU, at::kLong).contiguous();
  const int64_t seq = plain.size(-1), rows = plain.numel() / std::max<int64_t>(seq, 1);
  auto frequencies = inverse_frequencies_.to(at::kCPU).expand({rows, seq, -1}).contiguous();
  const auto* position = plain.const_data_ptr<int64_t>();
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t begin = 0, end = 1; begin < seq; begin = end++) {
      while (end < seq && position[row * seq + end] == position[row * seq + end - 1] + 1) ++end;
      const int64_t length = position[row * seq + end - 1] + 1;
      if (length > config_.max_position_embeddings)
        frequencies[row].narrow(0, begin, end - begin).copy_(at::tensor(config_.inverse_frequencies(length), at::kDouble));
    }
  return frequencies.view({positions.size(0), seq, -1}).to(inverse_frequencies_.device());
}

RopeTable Rope::table(const at::Tensor& positions) const {
  const bool grows = config_.rope_scaling.kind == "dynamic" && positions.numel() > 0 &&
                     positions.max().item<int64_t>() >= config_.max_position_embeddings;
  const auto frequencies = grows ? frequencies_by_length(positions) : inverse_frequencies_;
  const auto angles = positions.to(at::kFloat).unsqueeze(-1) * frequencies;  // [batch, seq, rotary_dim/2]
  const double amplitude = config_.rope_amplitude();
  return amplitude == 1 ? RopeTable{angles.cos(), angles.sin()} : RopeTable{angles.cos() * amplitude, angles.sin() * amplitude};
}

}  // namespace ingot::model
