#include "ops/wide_product.h"

#include <ATen/ATen.h>
#include <ATen/native/CPUBlas.h>

#include <algorithm>

#include "ops/block_attention.h"
#include "ops/block_pack.h"
#include "ops/simd.h"

namespace ingot::ops {
namespace {

using c10::BFloat16;

constexpr int64_t kBlock = 64;          // columns of a that one task multiplies
constexpr int64_t kWidth = 256;         // columns of b in one product
constexpr int64_t kWidenedColumns = 4096;  // of a at a time

/// Sizes of the product; rows of a and b count in pairs.
struct Sizes {
  int64_t m, n, k;
  int64_t even_k() const { return (k + 1) / 2 * 2; }
};

/// b's rows in pairs, [even_k/2][n][2].
at::Tensor paired(const Sizes& size, const at::Tensor& b) {
  auto out = at::empty({size.even_k(), size.n}, b.options());
  const auto zeros = at::zeros({size.n}, b.options());
  const BFloat16 *from = b.const_data_ptr<BFloat16>(), *none = zeros.const_data_ptr<BFloat16>();
  BFloat16* to = out.mutable_data_ptr<BFloat16>();
  parallel_rows(size.even_k() / 2, 2 * size.n, [&](int64_t i) {
    const BFloat16* even = from + 2 * i * size.n;
    pair_rows(even, 2 * i + 1 < size.k ? even + size.n : none, size.n, to + 2 * i * size.n);
  });
  return out;
}

/// Columns [first, first + count) of a as rows, [count][even_k].
void transpose_columns(const Sizes& size, const BFloat16* a, int64_t first, int64_t count, BFloat16* to) {
  for (int64_t row = 0; row < size.k; ++row)
    for (int64_t i = 0; i < count; ++i) to[i * size.even_k() + row] = a[row * size.m + first + i];
}

/// Products of blocks accumulate in float32 inside the CPU's own bf16 instructions; each element is summed by one task.
void add_block_products(at::Tensor& sum, const at::Tensor& a, const at::Tensor& b) {
  const Sizes size{a.size(1), b.size(1), a.size(0)};
  const auto pairs = paired(size, b);
  const BFloat16 *a_data = a.const_data_ptr<BFloat16>(), *b_data = pairs.const_data_ptr<BFloat16>();
  float* sum_data = sum.mutable_data_ptr<float>();
  at::parallel_for(0, (size.m + kBlock - 1) / kBlock, 1, [&](int64_t begin, int64_t end) {
    const auto rows = at::zeros({kBlock, size.even_k()}, a.options());
    BFloat16* row_data = rows.mutable_data_ptr<BFloat16>();
    for (int64_t first = begin * kBlock; first < std::min(size.m, end * kBlock); first += kBlock) {
      const int64_t count = std::min(kBlock, size.m - first);
      vectorised([&] { transpose_columns(size, a_data, first, count, row_data); });
      for (int64_t column = 0; column < size.n; column += kWidth)
        at::native::cpublas::brgemm(count, std::min(kWidth, size.n - column), size.even_k(), size.even_k(), size.n, size.n,
                                    /*add_C=*/true, row_data, b_data + 2 * column, sum_data + first * size.n + column);
    }
    at::native::cpublas::brgemm_release();
  });
}

}  // namespace

void add_wide_product(at::Tensor& sum, const at::Tensor& a, const at::Tensor& b) {
  TORCH_CHECK(a.dim() == 2 && b.dim() == 2 && a.size(0) == b.size(0) && sum.sizes() == at::IntArrayRef({a.size(1), b.size(1)}) &&
                  sum.scalar_type() == at::kFloat,
              "add_wide_product: sum ", sum.sizes(), " for ", a.sizes(), " and ", b.sizes());
  if (a.size(0) == 0) return;
  const bool by_blocks = a.scalar_type() == at::kBFloat16 && has_block_products();
  (by_blocks ? add_block_products : add_wide_product_composite)(sum, a, b);
}

void add_wide_product_composite(at::Tensor& sum, const at::Tensor& a, const at::Tensor& b) {
  const auto wide_b = b.to(at::kFloat);
  for (int64_t first = 0; first < a.size(1); first += kWidenedColumns) {
    const int64_t count = std::min(kWidenedColumns, a.size(1) - first);
    sum.narrow(0, first, count).addmm_(a.narrow(1, first, count).to(at::kFloat).t(), wide_b);
  }
}

}  // namespace ingot::ops
