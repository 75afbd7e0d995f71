#pragma once

#include <c10/util/BFloat16.h>

#include <string_view>

#include "ops/kernels/block_pack.h"

namespace ingot::ops {

/// Rows 2i and 2i + 1 of `from` [k, n] interleaved element by element into `to`; zeros beyond the last row.
struct PairRows {
  static constexpr std::string_view kOp = "wide_product";
  using Element = c10::BFloat16;
  const c10::BFloat16 *from, *zeros;
  c10::BFloat16* to;
  int64_t k, n;

  void operator()(int64_t i) const {
    const c10::BFloat16* even = from + 2 * i * n;
    pair_rows(even, 2 * i + 1 < k ? even + n : zeros, n, to + 2 * i * n);
  }
};

/// Columns [first, first + count) of `from` [k, m] as rows `stride` long.
struct TransposeColumns {
  static constexpr std::string_view kOp = "wide_product";
  using Element = c10::BFloat16;
  const c10::BFloat16* from;
  c10::BFloat16* to;
  int64_t m, k, first, count, stride;

  void operator()(int64_t) const {
    for (int64_t row = 0; row < k; ++row)
      for (int64_t i = 0; i < count; ++i) to[i * stride + row] = from[row * m + first + i];
  }
};

}  // namespace ingot::ops
