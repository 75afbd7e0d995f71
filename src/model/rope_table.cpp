#include "model/rope_table.h"

#include <ATen/ATen.h>

namespace ingot::model {

Rope::Rope(const DecoderConfig& config, const std::string& device)
    : inverse_frequencies_(
          at::tensor(config.inverse_frequencies(), at::kDouble).to(at::kFloat).to(at::Device(device))) {}

RopeTable Rope::table(const at::Tensor& positions) const {
  const auto angles = positions.to(at::kFloat).unsqueeze(-1) * inverse_frequencies_;  // [batch, seq, rotary_dim/2]
  return {angles.cos(), angles.sin()};
}

}  // namespace ingot::model
