#include "ops/wide_product.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "ops/block_product.h"
#include "ops/dispatch.h"
#include "ops/kernels/wide_product.h"

namespace ingot::ops {
namespace {

using c10::BFloat16;

constexpr int64_t kColumns = 64;           // columns of a that one task multiplies
constexpr int64_t kWidth = 256;            // columns of b in one product
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
  run(size.even_k() / 2, 2 * size.n,
      PairRows{b.const_data_ptr<BFloat16>(), zeros.const_data_ptr<BFloat16>(), out.mutable_data_ptr<BFloat16>(), size.k, size.n});
  return out;
}

/// Products of blocks accumulate in float32 inside the CPU's own bf16 instructions; each element is summed by one task.
void add_block_products(at::Tensor& sum, const at::Tensor& a, const at::Tensor& b) {
  const Sizes size{a.size(1), b.size(1), a.size(0)};
  const auto pairs = paired(size, b);
  const BFloat16 *a_data = a.const_data_ptr<BFloat16>(), *b_data = pairs.const_data_ptr<BFloat16>();
  float* sum_data = sum.mutable_data_ptr<float>();
  const auto transpose = find_loop<TransposeColumns>();
  at::parallel_for(0, (size.m + kColumns - 1) / kColumns, 1, [&](int64_t begin, int64_t end) {
    const auto rows = at::zeros({kColumns, size.even_k()}, a.options());
    BFloat16* row_data = rows.mutable_data_ptr<BFloat16>();
    for (int64_t first = begin * kColumns; first < std::min(size.m, end * kColumns); first += kColumns) {
      const int64_t count = std::min(kColumns, size.m - first);
      transpose(TransposeColumns{a_data, row_data, size.m, size.k, first, count, size.even_k()}, 0, 1);
      for (int64_t column = 0; column < size.n; column += kWidth)
        multiply({count, std::min(kWidth, size.n - column), size.even_k(), size.even_k(), size.n, size.n, /*add=*/true}, row_data,
                 b_data + 2 * column, sum_data + first * size.n + column);
    }
    release_block_products();
  });
}

}  // namespace

void add_wide_product(at::Tensor& sum, const at::Tensor& a, const at::Tensor& b) {
  TORCH_CHECK(a.dim() == 2 && b.dim() == 2 && a.size(0) == b.size(0) && sum.sizes() == at::IntArrayRef({a.size(1), b.size(1)}) &&
                  sum.scalar_type() == at::kFloat,
              "add_wide_product: sum ", sum.sizes(), " for ", a.sizes(), " and ", b.sizes());
  if (a.size(0) == 0) return;
  const bool by_blocks = a.scalar_type() == at::kBFloat16 && find_loop<TransposeColumns>() != nullptr;
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
