#include "parallel/tensor_parallel.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace ingot::parallel {
namespace {

constexpr int64_t kWidth = 3;

/// What rank `rank` has of a sum's terms; their order of magnitude differs, so that roundings show.
at::Tensor term_of(int64_t rank, int64_t rows, at::ScalarType dtype = at::kFloat) {
  return (at::arange(rows * kWidth, at::kFloat).view({rows, kWidth}).add(1).cos() * (1 << (3 * rank))).to(dtype);
}

/// This rank's share of whole rows, with zeros behind the last.
at::Tensor own_share(const at::Tensor& whole, const Communicator& ranks) {
  const int64_t share = share_of(whole.size(0), ranks);
  const auto padded = at::constant_pad_nd(whole, {0, 0, 0, share * ranks.size() - whole.size(0)});
  return padded.narrow(0, ranks.rank() * share, share);
}

at::Tensor sum_of_terms(int64_t ranks, int64_t rows, at::ScalarType dtype) {
  auto sum = at::zeros({rows, kWidth});
  for (int64_t rank = 0; rank < ranks; ++rank) sum += term_of(rank, rows, dtype).to(at::kFloat);
  return sum;
}

TEST(TensorParallel, EveryNumberOfRowsIsSharedAndComesTogether) {
  for (const int64_t size : {1, 2, 3, 4})
    run_ranks(size, [](Communicator& ranks) {
      for (int64_t rows = 1; rows < 10; ++rows) {
        const auto whole = term_of(0, rows), own = own_share(whole, ranks).clone().set_requires_grad(true);
        const auto found = rows_of_shares(own, rows, ranks);
        EXPECT_TRUE(found.equal(whole)) << rows;
        found.backward(term_of(ranks.rank(), rows));
        EXPECT_LE((own.grad() - own_share(sum_of_terms(ranks.size(), rows, at::kFloat), ranks)).abs().max().item<float>(), 1e-4) << rows;
      }
    });
}

TEST(TensorParallel, SumsAreSharedAndTheirGradientsAreOfAllRows) {
  for (const int64_t size : {1, 2, 3, 4})
    run_ranks(size, [](Communicator& ranks) {
      for (int64_t rows = 1; rows < 10; ++rows) {
        const auto term = term_of(ranks.rank(), rows).set_requires_grad(true);
        const auto found = share_of_sum(term, ranks);
        EXPECT_LE((found - own_share(sum_of_terms(ranks.size(), rows, at::kFloat), ranks)).abs().max().item<float>(), 1e-4) << rows;
        found.backward(own_share(term_of(1, rows), ranks));
        EXPECT_TRUE(term.grad().equal(term_of(1, rows))) << rows;
      }
    });
}

TEST(TensorParallel, SumsAreMadeInFloatAndRoundedOnce) {
  run_ranks(4, [](Communicator& ranks) {
    const auto found = share_of_sum(term_of(ranks.rank(), 7, at::kBFloat16), ranks);
    const auto sum = [](int64_t a, int64_t b) { return term_of(a, 7, at::kBFloat16).to(at::kFloat) + term_of(b, 7, at::kBFloat16).to(at::kFloat); };
    EXPECT_TRUE(found.equal(own_share((sum(0, 1) + sum(2, 3)).to(at::kBFloat16), ranks)));
    const auto in_steps = (sum(0, 1).to(at::kBFloat16) + sum(2, 3).to(at::kBFloat16));
    EXPECT_FALSE((sum(0, 1) + sum(2, 3)).to(at::kBFloat16).equal(in_steps));
  });
}

}  // namespace
}  // namespace ingot::parallel
