#pragma once

#include <ATen/core/Tensor.h>

#include "model/decoder_config.h"

namespace ingot::model {

/// Cosines and sines of every position's angles, [batch, seq, rotary_dim/2] float32.
struct RopeTable {
  at::Tensor cos, sin;
};

/// Makes rope tables. Angles are products of float32 numbers, as in transformers, so that they agree at long positions. With
/// "dynamic" scaling a sample has the frequencies of its length: in a pack each its own, so that a pack has the loss of its
/// samples alone; with a cache those of the tokens read so far, while earlier keys keep theirs, as in transformers.
class Rope {
 public:
  Rope(const DecoderConfig& config, const std::string& device);
  /// `positions` [batch, seq] int64.
  RopeTable table(const at::Tensor& positions) const;

 private:
  at::Tensor frequencies_by_length(const at::Tensor& positions) const;
  DecoderConfig config_;
  at::Tensor inverse_frequencies_;  // [rotary_dim/2] float32
};

}  // namespace ingot::model
