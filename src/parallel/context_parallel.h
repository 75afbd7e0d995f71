#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

#include "parallel/communicator.h"

namespace ingot::parallel {

/// Of 2 n equal pieces of a row rank i has the i-th from the front and the i-th from the end: so all have the same share of the attention.
/// Source: Dubey et al. 2024 (Llama 3, section 3.3.2).
struct TokenCut {
  int64_t ranks = 1, rank = 0;
  struct Piece { int64_t begin, end; };
  /// Of a row of so many tokens, a multiple of 2 * ranks; one rank has all of it.
  std::array<Piece, 2> pieces(int64_t seq) const;
  /// This rank's tokens of x [batch, seq, ...], undefined where x is.
  at::Tensor own(const at::Tensor& x) const;
};

/// The ranks' tokens x [batch, own, ...] in their places of the rows, [batch, seq, ...]. Backward: the sum of the ranks' gradients, made in
/// float32 and rounded once.
at::Tensor tokens_of_ranks(const at::Tensor& x, Communicator& ranks);

}  // namespace ingot::parallel
