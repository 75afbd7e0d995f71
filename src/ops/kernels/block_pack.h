#pragma once

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace ingot::ops {

/// Rows of one attention head inside a [seq, heads, head_dim] tensor.
struct HeadRows {
  const c10::BFloat16* data;
  int64_t stride;  // from one row to the next
  const c10::BFloat16* row(int64_t i) const { return data + i * stride; }
};

/// Sizes of a head and of its copies, which zeros fill up to whole blocks.
struct HeadShape {
  int64_t rows, dim, block;
  int64_t padded_rows() const { return (rows + block - 1) / block * block; }
  int64_t padded_dim() const { return (dim + 31) / 32 * 32; }
  int64_t num_blocks() const { return padded_rows() / block; }
  int64_t elements() const { return padded_rows() * padded_dim(); }
};

// Copies of a head [rows, dim] in the layouts of block products; `to` holds shape.elements() zeros before. A "paired"
// matrix is the second operand of a product: two neighbouring rows lie interleaved, element by element.

/// [padded_rows][padded_dim].
inline void pack_plain(const HeadShape& shape, const HeadRows& from, c10::BFloat16* to) {
  for (int64_t i = 0; i < shape.rows; ++i) std::copy_n(from.row(i), shape.dim, to + i * shape.padded_dim());
}

/// The transpose, [padded_dim][padded_rows].
inline void pack_transposed(const HeadShape& shape, const HeadRows& from, c10::BFloat16* to) {
  const int64_t n = shape.padded_rows();
  for (int64_t i = 0; i < shape.rows; ++i)
    for (int64_t d = 0; d < shape.dim; ++d) to[d * n + i] = from.row(i)[d];
}

/// Interleaves two rows of n elements.
inline void pair_rows(const c10::BFloat16* even, const c10::BFloat16* odd, int64_t n, c10::BFloat16* to) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t pair = uint32_t{even[i].x} | uint32_t{odd[i].x} << 16;  // the first element lies lower
    std::memcpy(to + 2 * i, &pair, sizeof pair);
  }
}

/// Paired rows, [padded_rows/2][padded_dim][2].
inline void pack_paired(const HeadShape& shape, const HeadRows& from, c10::BFloat16* to) {
  const int64_t pair = 2 * shape.padded_dim(), last = shape.rows - 1;
  for (int64_t i = 0; i < last; i += 2) pair_rows(from.row(i), from.row(i + 1), shape.dim, to + i / 2 * pair);
  if (last % 2 == 0)
    for (int64_t d = 0; d < shape.dim; ++d) to[last / 2 * pair + 2 * d] = from.row(last)[d];
}

/// The transpose with its rows paired, block by block: [num_blocks][padded_dim/2][block][2].
inline void pack_paired_transpose(const HeadShape& shape, const HeadRows& from, c10::BFloat16* to) {
  for (int64_t i = 0; i < shape.rows; ++i) {
    c10::BFloat16* column = to + i / shape.block * shape.block * shape.padded_dim() + i % shape.block * 2;
    for (int64_t d = 0; d < shape.dim; ++d) column[d / 2 * shape.block * 2 + d % 2] = from.row(i)[d];
  }
}

}  // namespace ingot::ops
