#pragma once

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "ops/block_product.h"
#include "ops/kernels/block_pack.h"
#include "ops/kernels/element.h"

namespace ingot::ops {

/// What one task works with: copies of a head's matrices and the blocks in flight. Scores are held transposed, a row for each key, so
/// that every product finds its operands without another transposition.
struct BlockWorkspace {
  c10::BFloat16 *k, *v, *k_transposed, *q_paired, *q_paired_transpose, *d_out_paired, *d_out_paired_transpose;
  c10::BFloat16 *p, *d_s, *d_s_paired;  // [block keys][block queries]; the last in pairs of keys
  float *scores, *d_p;                  // [block keys][block queries]
  float *d_k, *d_v;                     // [block keys][padded_dim]
  float* d_q_transposed;                // [padded_dim][padded_rows]
  float *log_sum, *delta;               // [padded_rows]
};

/// Gradients of one query head of one row or segment: the whole of it is one piece.
struct BlockAttentionHead {
  static constexpr std::string_view kOp = "attention backward";
  using Element = c10::BFloat16;
  HeadShape shape;
  HeadRows q, k, v, out, d_out;
  const float* log_in;
  c10::BFloat16* d_q;  // rows `q.stride` apart
  float *d_k, *d_v;    // this query head's share, rows `q.stride` apart
  BlockWorkspace work;

  void operator()(int64_t) const {
    load();
    for (int64_t key_block = 0; key_block < shape.num_blocks(); ++key_block) {
      for (int64_t query_block = key_block; query_block < shape.num_blocks(); ++query_block) backward_block(key_block, query_block);
      store_keys(key_block);
    }
    store_queries();
  }

 private:
  void load() const {
    pack_plain(shape, k, work.k);
    pack_plain(shape, v, work.v);
    pack_transposed(shape, k, work.k_transposed);
    pack_paired(shape, q, work.q_paired);
    pack_paired_transpose(shape, q, work.q_paired_transpose);
    pack_paired(shape, d_out, work.d_out_paired);
    pack_paired_transpose(shape, d_out, work.d_out_paired_transpose);
    std::copy_n(log_in, shape.rows, work.log_sum);
    for (int64_t i = 0; i < shape.rows; ++i) {
      const c10::BFloat16 *o = out.row(i), *d_o = d_out.row(i);
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t d = 0; d < shape.dim; ++d) sum += widen(o[d]) * widen(d_o[d]);
      work.delta[i] = sum;
    }
    std::fill(work.log_sum + shape.rows, work.log_sum + shape.padded_rows(), std::numeric_limits<float>::infinity());
    std::fill(work.delta + shape.rows, work.delta + shape.padded_rows(), 0.0f);
  }

  /// p = e^(score - log_sum) and d_s = p * (d_p - delta) * scale of a block; on the diagonal a query sees no later key.
  void softmax_gradient(int32_t block, int64_t first_query, bool diagonal, float scale) const {
    const float *log_sum = work.log_sum + first_query, *delta = work.delta + first_query;
    for (int32_t key = 0; key < block; ++key) {
      const int32_t first_seen = diagonal ? key : 0;
      const float *scores = work.scores + key * block, *d_p = work.d_p + key * block;
      c10::BFloat16 *p_row = work.p + key * block, *d_s_row = work.d_s + key * block;
#pragma omp simd
      for (int32_t i = 0; i < block; ++i) {
        const float all = fast_exp(scores[i] * scale - log_sum[i]), p = i < first_seen ? 0.0f : all;
        p_row[i] = round_to<c10::BFloat16>(p);
        d_s_row[i] = round_to<c10::BFloat16>(p * (d_p[i] - delta[i]) * scale);
      }
    }
    for (int32_t key = 0; key < block; key += 2)
      pair_rows(work.d_s + key * block, work.d_s + (key + 1) * block, block, work.d_s_paired + key * block);
  }

  /// Adds what the queries of one block give to the keys of another and to themselves.
  void backward_block(int64_t key_block, int64_t query_block) const {
    const int64_t b = shape.block, dim = shape.padded_dim(), rows = shape.padded_rows();
    const int64_t keys = key_block * b, queries = query_block * b;
    const BlockProduct scores{b, b, dim, dim, b, b, false}, to_keys{b, dim, b, b, dim, dim, query_block > key_block};
    multiply(scores, work.k + keys * dim, work.q_paired_transpose + queries * dim, work.scores);
    multiply(scores, work.v + keys * dim, work.d_out_paired_transpose + queries * dim, work.d_p);
    softmax_gradient(static_cast<int32_t>(b), queries, key_block == query_block, 1.0f / std::sqrt(static_cast<float>(shape.dim)));
    multiply(to_keys, work.p, work.d_out_paired + queries * dim, work.d_v);
    multiply(to_keys, work.d_s, work.q_paired + queries * dim, work.d_k);
    multiply({dim, b, b, rows, b, rows, key_block > 0}, work.k_transposed + keys, work.d_s_paired, work.d_q_transposed + queries);
  }

  /// Copies the gradients of a block of keys into the head's share.
  void store_keys(int64_t key_block) const {
    const int64_t first = key_block * shape.block, end = std::min(shape.rows, first + shape.block);
    for (int64_t i = first; i < end; ++i) {
      std::copy_n(work.d_k + (i - first) * shape.padded_dim(), shape.dim, d_k + i * q.stride);
      std::copy_n(work.d_v + (i - first) * shape.padded_dim(), shape.dim, d_v + i * q.stride);
    }
  }

  void store_queries() const {
    for (int64_t i = 0; i < shape.rows; ++i)
#pragma omp simd
      for (int64_t d = 0; d < shape.dim; ++d)
        d_q[i * q.stride + d] = round_to<c10::BFloat16>(work.d_q_transposed[d * shape.padded_rows() + i]);
  }
};

/// One key/value head: the shares [group, dim] of its query heads, summed in order and rounded.
struct SumGroup {
  static constexpr std::string_view kOp = "attention backward";
  using Element = c10::BFloat16;
  const float* shares;
  c10::BFloat16* to;
  int64_t group, dim;

  void operator()(int64_t row) const {
    const float* share = shares + row * group * dim;
    for (int64_t d = 0; d < dim; ++d) {
      float total = share[d];
      for (int64_t g = 1; g < group; ++g) total += share[g * dim + d];
      to[row * dim + d] = round_to<c10::BFloat16>(total);
    }
  }
};

}  // namespace ingot::ops
