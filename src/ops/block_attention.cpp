#include "ops/block_attention.h"

#include <ATen/ATen.h>

#include <utility>

#include "ops/block_product.h"
#include "ops/dispatch.h"
#include "ops/kernels/block_attention.h"

namespace ingot::ops {
namespace {

using c10::BFloat16;

int64_t block_for(int64_t rows) { return rows <= 32 ? 32 : rows <= 64 ? 64 : 128; }

/// The memory of a task.
class Workspace {
 public:
  explicit Workspace(const HeadShape& shape) {
    const int64_t n = shape.elements(), square = shape.block * shape.block;
    copies_ = at::zeros({7, n}, at::kBFloat16);
    halves_ = at::empty({3, square}, at::kBFloat16);
    floats_ = at::empty({2 * square + 2 * shape.block * shape.padded_dim() + n + 2 * shape.padded_rows()}, at::kFloat);
    BFloat16* copy = copies_.mutable_data_ptr<BFloat16>();
    for (auto** matrix : {&view.k, &view.v, &view.k_transposed, &view.q_paired, &view.q_paired_transpose, &view.d_out_paired,
                          &view.d_out_paired_transpose})
      *matrix = std::exchange(copy, copy + n);
    BFloat16* half = halves_.mutable_data_ptr<BFloat16>();
    for (auto** matrix : {&view.p, &view.d_s, &view.d_s_paired}) *matrix = std::exchange(half, half + square);
    float* next = floats_.mutable_data_ptr<float>();
    for (auto** matrix : {&view.scores, &view.d_p}) *matrix = std::exchange(next, next + square);
    for (auto** matrix : {&view.d_k, &view.d_v}) *matrix = std::exchange(next, next + shape.block * shape.padded_dim());
    view.d_q_transposed = std::exchange(next, next + n);
    for (auto** vector : {&view.log_sum, &view.delta}) *vector = std::exchange(next, next + shape.padded_rows());
  }

  BlockWorkspace view{};

 private:
  at::Tensor copies_, halves_, floats_;
};

/// Sums [tokens, kv_heads, group, dim] over the query heads of a group, in order, and rounds.
at::Tensor sum_group(const at::Tensor& shares, const at::Tensor& like) {
  auto sum = at::empty_like(like);
  const int64_t dim = like.size(3), group = shares.size(2) / like.size(2);
  run(like.numel() / dim, group * dim, SumGroup{shares.const_data_ptr<float>(), sum.mutable_data_ptr<BFloat16>(), group, dim});
  return sum;
}

}  // namespace

bool has_block_attention() { return find_loop<BlockAttentionHead>() != nullptr; }

AttentionGradients block_attention_backward(const at::Tensor& d_out, const at::Tensor& q, const at::Tensor& k,
                                            const at::Tensor& v, const at::Tensor& out, const at::Tensor& log_sum_in) {
  const int64_t batch = q.size(0), rows = q.size(1), heads = q.size(2), dim = q.size(3), kv_heads = k.size(2);
  const HeadShape shape{rows, dim, block_for(rows)};
  const auto log_sum = log_sum_in.contiguous();
  auto d_q = at::empty_like(q);
  auto d_k = at::empty(q.sizes(), q.options().dtype(at::kFloat)), d_v = at::empty_like(d_k);
  const auto loop = find_loop<BlockAttentionHead>();
  at::parallel_for(0, batch * heads, 1, [&](int64_t begin, int64_t end) {
    const Workspace work(shape);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t row = task / heads, head = task % heads;
      const int64_t at_q = (row * rows * heads + head) * dim;
      const int64_t at_kv = (row * rows * kv_heads + head / (heads / kv_heads)) * dim;
      const auto rows_of = [](const at::Tensor& x, int64_t offset) {
        return HeadRows{x.const_data_ptr<BFloat16>() + offset, x.size(2) * x.size(3)};
      };
      const BlockAttentionHead one{
          shape, rows_of(q, at_q), rows_of(k, at_kv), rows_of(v, at_kv), rows_of(out, at_q), rows_of(d_out, at_q),
          log_sum.const_data_ptr<float>() + task * rows, d_q.mutable_data_ptr<BFloat16>() + at_q,
          d_k.mutable_data_ptr<float>() + at_q, d_v.mutable_data_ptr<float>() + at_q, work.view};
      loop(one, 0, 1);
    }
    release_block_products();
  });
  return {d_q, sum_group(d_k, k), sum_group(d_v, v)};
}

}  // namespace ingot::ops
