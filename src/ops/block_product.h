#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

namespace ingot::ops {

/// Sizes of c [m, n] = a [m, k] * b [k, n] (or c += with `add`), with the distance between rows of each; b's rows are paired: two
/// neighbouring ones lie interleaved, element by element.
struct BlockProduct {
  int64_t m, n, k, a_stride, b_stride, c_stride;
  bool add;
};

/// Multiplies blocks that fit into the cache in the CPU's bfloat16 instructions, summed in float32, on this thread.
void multiply(const BlockProduct& size, const c10::BFloat16* a, const c10::BFloat16* b, float* c);

/// Gives back what multiply() has set up on this thread.
void release_block_products();

}  // namespace ingot::ops
