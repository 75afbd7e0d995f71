#pragma once

#include <ATen/core/Tensor.h>

#include "model/decoder_config.h"

namespace ingot::model {

/// Cosines and sines of every position's angles, [batch, seq, rotary_dim/2] float32.
struct RopeTable {
  at::Tensor cos, sin;
};

/// Makes rope tables. Angles are products of float32 numbers, as in transformers, so that they agree at long positions.
class Rope {
 public:
  Rope(const DecoderConfig& config, const std::string& device);
  /// `positions` [batch, seq] int64.
  RopeTable table(const at::Tensor& positions) const;

 private:
  at::Tensor inverse_frequencies_;  // [rotary_dim/2] float32
};

}  // namespace ingot::model
