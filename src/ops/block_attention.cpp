#include "ops/block_attention.h"

#include <ATen/ATen.h>
#include <ATen/native/CPUBlas.h>

#include <cmath>
#include <limits>
#include <utility>

#include "ops/block_pack.h"
#include "ops/simd.h"

namespace ingot::ops {
namespace {

using c10::BFloat16;

int64_t block_for(int64_t rows) { return rows <= 32 ? 32 : rows <= 64 ? 64 : 128; }

/// What one task works with: copies of a head's matrices and the blocks in flight. Scores are held transposed, a row
/// for each key, so that every product finds its operands without another transposition.
class Workspace {
 public:
  explicit Workspace(const HeadShape& shape) {
    const int64_t n = shape.elements(), square = shape.block * shape.block;
    copies_ = at::zeros({7, n}, at::kBFloat16);
    halves_ = at::empty({3, square}, at::kBFloat16);
    floats_ = at::empty({2 * square + 2 * shape.block * shape.padded_dim() + n + 2 * shape.padded_rows()}, at::kFloat);
    BFloat16* copy = copies_.mutable_data_ptr<BFloat16>();
    for (auto** matrix :
         {&k, &v, &k_transposed, &q_paired, &q_paired_transpose, &d_out_paired, &d_out_paired_transpose})
      *matrix = std::exchange(copy, copy + n);
    BFloat16* half = halves_.mutable_data_ptr<BFloat16>();
    for (auto** matrix : {&p, &d_s, &d_s_paired}) *matrix = std::exchange(half, half + square);
    float* next = floats_.mutable_data_ptr<float>();
    for (auto** matrix : {&scores, &d_p}) *matrix = std::exchange(next, next + square);
    for (auto** matrix : {&d_k, &d_v}) *matrix = std::exchange(next, next + shape.block * shape.padded_dim());
    d_q_transposed = std::exchange(next, next + n);
    for (auto** vector : {&log_sum, &delta}) *vector = std::exchange(next, next + shape.padded_rows());
  }

  BFloat16 *k, *v, *k_transposed, *q_paired, *q_paired_transpose, *d_out_paired, *d_out_paired_transpose;
  BFloat16 *p, *d_s, *d_s_paired;  // [block keys][block queries]; the last in pairs of keys
  float *scores, *d_p;             // [block keys][block queries]
  float *d_k, *d_v;                // [block keys][padded_dim]
  float* d_q_transposed;           // [padded_dim][padded_rows]
  float *log_sum, *delta;          // [padded_rows]

 private:
  at::Tensor copies_, halves_, floats_;
};

/// Sizes of c [m, n] = a [m, k] * b [k, n], with the distance between rows of each; b is paired.
struct Product {
  int64_t m, n, k, a_stride, b_stride, c_stride;
  bool add;
};

void multiply(const Product& size, const BFloat16* a, const BFloat16* b, float* c) {
  at::native::cpublas::brgemm(size.m, size.n, size.k, size.a_stride, size.b_stride, size.c_stride, size.add, a, b, c);
}

/// One query head of one row or segment.
struct Head {
  HeadRows q, k, v, out, d_out;
  const float* log_sum;
  BFloat16* d_q;         // rows `q.stride` apart
  float *d_k, *d_v;      // this query head's share, rows `q.stride` apart
};

void load(const HeadShape& shape, const Head& head, Workspace& work) {
  pack_plain(shape, head.k, work.k);
  pack_plain(shape, head.v, work.v);
  pack_transposed(shape, head.k, work.k_transposed);
  pack_paired(shape, head.q, work.q_paired);
  pack_paired_transpose(shape, head.q, work.q_paired_transpose);
  pack_paired(shape, head.d_out, work.d_out_paired);
  pack_paired_transpose(shape, head.d_out, work.d_out_paired_transpose);
  std::copy_n(head.log_sum, shape.rows, work.log_sum);
  for (int64_t i = 0; i < shape.rows; ++i) {
    const BFloat16 *out = head.out.row(i), *d_out = head.d_out.row(i);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t d = 0; d < shape.dim; ++d) sum += widen(out[d]) * widen(d_out[d]);
    work.delta[i] = sum;
  }
  std::fill(work.log_sum + shape.rows, work.log_sum + shape.padded_rows(), std::numeric_limits<float>::infinity());
  std::fill(work.delta + shape.rows, work.delta + shape.padded_rows(), 0.0f);
}

/// p = e^(score - log_sum) and d_s = p * (d_p - delta) * scale of a block; on the diagonal a query sees no later key.
void softmax_gradient(const Workspace& work, int32_t block, int64_t first_query, bool diagonal, float scale) {
  const float *log_sum = work.log_sum + first_query, *delta = work.delta + first_query;
  for (int32_t key = 0; key < block; ++key) {
    const int32_t first_seen = diagonal ? key : 0;
    const float *scores = work.scores + key * block, *d_p = work.d_p + key * block;
    BFloat16 *p_row = work.p + key * block, *d_s_row = work.d_s + key * block;
#pragma omp simd
    for (int32_t i = 0; i < block; ++i) {
      const float all = fast_exp(scores[i] * scale - log_sum[i]), p = i < first_seen ? 0.0f : all;
      p_row[i] = round_to<BFloat16>(p);
      d_s_row[i] = round_to<BFloat16>(p * (d_p[i] - delta[i]) * scale);
    }
  }
  for (int32_t key = 0; key < block; key += 2)
    pair_rows(work.d_s + key * block, work.d_s + (key + 1) * block, block, work.d_s_paired + key * block);
}

/// Adds what the queries of one block give to the keys of another and to themselves.
void backward_block(const HeadShape& shape, const Workspace& work, int64_t key_block, int64_t query_block) {
  const int64_t b = shape.block, dim = shape.padded_dim(), rows = shape.padded_rows();
  const int64_t keys = key_block * b, queries = query_block * b;
  const Product scores{b, b, dim, dim, b, b, false}, to_keys{b, dim, b, b, dim, dim, query_block > key_block};
  multiply(scores, work.k + keys * dim, work.q_paired_transpose + queries * dim, work.scores);
  multiply(scores, work.v + keys * dim, work.d_out_paired_transpose + queries * dim, work.d_p);
  softmax_gradient(work, static_cast<int32_t>(b), queries, key_block == query_block, 1.0f / std::sqrt(static_cast<float>(shape.dim)));
  multiply(to_keys, work.p, work.d_out_paired + queries * dim, work.d_v);
  multiply(to_keys, work.d_s, work.q_paired + queries * dim, work.d_k);
  multiply({dim, b, b, rows, b, rows, key_block > 0}, work.k_transposed + keys, work.d_s_paired,
           work.d_q_transposed + queries);
}

/// Copies the gradients of a block of keys into the head's share.
void store_keys(const HeadShape& shape, const Workspace& work, int64_t key_block, const Head& head) {
  const int64_t first = key_block * shape.block, end = std::min(shape.rows, first + shape.block);
  for (int64_t i = first; i < end; ++i) {
    std::copy_n(work.d_k + (i - first) * shape.padded_dim(), shape.dim, head.d_k + i * head.q.stride);
    std::copy_n(work.d_v + (i - first) * shape.padded_dim(), shape.dim, head.d_v + i * head.q.stride);
  }
}

void store_queries(const HeadShape& shape, const Workspace& work, const Head& head) {
  for (int64_t i = 0; i < shape.rows; ++i)
#pragma omp simd
    for (int64_t d = 0; d < shape.dim; ++d)
      head.d_q[i * head.q.stride + d] = round_to<BFloat16>(work.d_q_transposed[d * shape.padded_rows() + i]);
}

void backward_head(const HeadShape& shape, const Head& head, Workspace& work) {
  load(shape, head, work);
  for (int64_t key_block = 0; key_block < shape.num_blocks(); ++key_block) {
    for (int64_t query_block = key_block; query_block < shape.num_blocks(); ++query_block)
      backward_block(shape, work, key_block, query_block);
    store_keys(shape, work, key_block, head);
  }
  store_queries(shape, work, head);
}

/// Sums [tokens, kv_heads, group, dim] over the query heads of a group, in order, and rounds.
at::Tensor sum_group(const at::Tensor& shares, const at::Tensor& like) {
  auto sum = at::empty_like(like);
  const int64_t dim = like.size(3), group = shares.size(2) / like.size(2);
  const float* from = shares.const_data_ptr<float>();
  BFloat16* to = sum.mutable_data_ptr<BFloat16>();
  parallel_rows(like.numel() / dim, group * dim, [&](int64_t row) {
    const float* share = from + row * group * dim;
    for (int64_t d = 0; d < dim; ++d) {
      float total = share[d];
      for (int64_t g = 1; g < group; ++g) total += share[g * dim + d];
      to[row * dim + d] = round_to<BFloat16>(total);
    }
  });
  return sum;
}

}  // namespace

bool has_block_products() { return at::native::cpublas::could_pack(at::kBFloat16); }

AttentionGradients block_attention_backward(const at::Tensor& d_out, const at::Tensor& q, const at::Tensor& k,
                                            const at::Tensor& v, const at::Tensor& out, const at::Tensor& log_sum_in) {
  const int64_t batch = q.size(0), rows = q.size(1), heads = q.size(2), dim = q.size(3), kv_heads = k.size(2);
  const HeadShape shape{rows, dim, block_for(rows)};
  const auto log_sum = log_sum_in.contiguous();
  auto d_q = at::empty_like(q);
  auto d_k = at::empty(q.sizes(), q.options().dtype(at::kFloat)), d_v = at::empty_like(d_k);
  at::parallel_for(0, batch * heads, 1, [&](int64_t begin, int64_t end) {
    Workspace work(shape);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t row = task / heads, head = task % heads;
      const int64_t at_q = (row * rows * heads + head) * dim;
      const int64_t at_kv = (row * rows * kv_heads + head / (heads / kv_heads)) * dim;
      const auto rows_of = [](const at::Tensor& x, int64_t offset) {
        return HeadRows{x.const_data_ptr<BFloat16>() + offset, x.size(2) * x.size(3)};
      };
      const Head one{rows_of(q, at_q), rows_of(k, at_kv), rows_of(v, at_kv), rows_of(out, at_q), rows_of(d_out, at_q),
                     log_sum.const_data_ptr<float>() + task * rows, d_q.mutable_data_ptr<BFloat16>() + at_q,
                     d_k.mutable_data_ptr<float>() + at_q, d_v.mutable_data_ptr<float>() + at_q};
      vectorised([&] { backward_head(shape, one, work); });
    }
    at::native::cpublas::brgemm_release();
  });
  return {d_q, sum_group(d_k, k), sum_group(d_v, v)};
}

}  // namespace ingot::ops
