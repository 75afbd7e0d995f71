#include "train/gradient_buckets.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "train/row_exchange.h"

namespace ingot::train {
namespace {

using Parameters = std::vector<std::shared_ptr<model::Parameter>>;

/// Rows that do not divide evenly, one row, and a vector.
Parameters four_parameters() {
  Parameters made;
  for (const auto& shape : {Shape{7, 3}, Shape{8, 2}, Shape{1, 5}, Shape{10}}) {
    made.push_back(std::make_shared<model::Parameter>(model::ParameterSpec{.name = "p" + std::to_string(made.size()), .shape = shape}));
    made.back()->value = at::zeros(shape);
  }
  return made;
}

/// Rank `rank` has no gradient of parameter 1 where its number is odd; nobody has one of parameter 2.
std::optional<at::Tensor> gradient_of(size_t parameter, int64_t rank, int64_t pass) {
  if (parameter == 2 || (parameter == 1 && rank % 2 == 1)) return {};
  const auto shape = four_parameters()[parameter]->shape;
  return at::arange(num_elements(shape).value(), at::kFloat).view(shape) * static_cast<double>(1 + parameter + 10 * static_cast<size_t>(rank)) + static_cast<double>(pass);
}

at::Tensor wanted_sum(size_t parameter, int64_t num_ranks, int64_t passes) {
  at::Tensor sum;
  for (int64_t rank = 0; rank < num_ranks; ++rank)
    for (int64_t pass = 0; pass < passes; ++pass)
      if (const auto gradient = gradient_of(parameter, rank, pass)) sum = sum.defined() ? sum + *gradient : *gradient;
  return sum;
}

struct Case {
  int64_t num_ranks;
  GradientBuckets::Ways ways;
};

void check_sums(parallel::Communicator& ranks, const Case& of) {
  const auto parameters = four_parameters();
  const TensorTerms terms(parallel::only_rank());
  GradientBuckets buckets(parameters, ranks, terms, of.ways);
  for (int step = 0; step < 2; ++step) {
    for (int64_t pass = 0; pass < 3; ++pass) {
      for (size_t i = parameters.size(); i-- > 0;)
        if (const auto gradient = gradient_of(i, ranks.rank(), pass)) {
          buckets.add(i, *gradient);
          if (of.ways.waits || pass == 2) buckets.close(i);
        }
      if (of.ways.waits || pass == 2) buckets.close_all();
    }
    const auto sums = buckets.take(parallel::only_rank());
    for (size_t i = 0; i < sums.size(); ++i) {
      const auto wanted = wanted_sum(i, ranks.size(), 3);
      ASSERT_EQ(sums[i].defined(), wanted.defined()) << "parameter " << i;
      if (wanted.defined()) {
        EXPECT_TRUE(sums[i].equal(of.ways.by_rows ? row_share(wanted.size(0), ranks).of(wanted) : wanted)) << "parameter " << i << " on rank " << ranks.rank();
      }
    }
  }
}

TEST(GradientBuckets, SumWhatTheRanksHaveWhateverTravelsTogether) {
  for (const int64_t bucket_bytes : {1, 100, 1 << 20})
    for (const int64_t num_ranks : {2, 3, 4})
      for (const auto& ways : {GradientBuckets::Ways{}, {.by_rows = true}, {.by_rows = true, .waits = true}}) {
        Case of{num_ranks, ways};
        of.ways.bucket_bytes = bucket_bytes;
        parallel::run_ranks(num_ranks, [&](parallel::Communicator& ranks) { check_sums(ranks, of); });
      }
}

TEST(GradientBuckets, LeaveInOneOrderWhateverTheOrderOfTheGradients) {
  parallel::run_ranks(2, [](parallel::Communicator& ranks) {
    const auto parameters = four_parameters();
    const TensorTerms terms(parallel::only_rank());
    GradientBuckets buckets(parameters, ranks, terms, {.bucket_bytes = 1});
    const auto give = [&](size_t i) { buckets.add(i, at::ones(parameters[i]->shape)), buckets.close(i); };
    give(2);
    EXPECT_EQ(buckets.num_left(), 0);  // the last parameter of the model is to leave first
    give(3);
    EXPECT_EQ(buckets.num_left(), 2);
    EXPECT_ANY_THROW(give(3));  // it is on its way
    buckets.close_all();
    EXPECT_TRUE(buckets.take(parallel::only_rank())[3].equal(at::full({10}, 2.0)));
  });
}

TEST(GradientBuckets, AreForgottenWhenEveryRankHasWhatOneHasLetLeave) {
  parallel::run_ranks(3, [](parallel::Communicator& ranks) {
    const auto parameters = four_parameters();
    const TensorTerms terms(parallel::only_rank());
    GradientBuckets buckets(parameters, ranks, terms, {.bucket_bytes = 1});
    for (size_t i = 4; i-- > 0 && ranks.rank() > 0;)
      if (buckets.num_left() < ranks.rank()) buckets.add(i, at::ones(parameters[i]->shape)), buckets.close(i);
    EXPECT_EQ(buckets.num_left(), ranks.rank());
    buckets.discard(2);
    buckets.add(0, at::ones({7, 3}));
    buckets.close_all();
    const auto sums = buckets.take(parallel::only_rank());
    EXPECT_TRUE(sums[0].equal(at::full({7, 3}, 3.0)));
    EXPECT_FALSE(sums[3].defined());
  });
}

TEST(GradientBuckets, AreSummedOverMoreRanksThanTheyTravelAmong) {
  parallel::run_ranks(4, [](parallel::Communicator& ranks) {
    const auto first = ranks.split(ranks.rank() / 2), others = ranks.split(ranks.rank() % 2);
    const auto parameters = four_parameters();
    const TensorTerms terms(parallel::only_rank());
    GradientBuckets buckets(parameters, *first, terms, {.by_rows = true});
    if (ranks.rank() != 3) buckets.add(1, at::full({8, 2}, static_cast<double>(1 + ranks.rank())));
    buckets.close_all();
    const auto sums = buckets.take(*others);
    EXPECT_TRUE(sums[1].equal(at::full({4, 2}, 6.0)));
    EXPECT_FALSE(sums[0].defined());
  });
}

TEST(RowExchange, GivesEveryRankTheRowsOfTheOthers) {
  for (const int64_t bucket_bytes : {1, 60, 1 << 20})
    for (const int64_t num_ranks : {2, 3, 4})
      parallel::run_ranks(num_ranks, [&](parallel::Communicator& ranks) {
        RowExchange exchange(bucket_bytes);
        std::vector<at::Tensor> tensors, wanted;
        for (const auto dtype : {at::kFloat, at::kBFloat16, at::kFloat})
          for (const auto& parameter : four_parameters()) {
            wanted.push_back(at::arange(parameter->value.numel(), dtype).view(parameter->shape));
            tensors.push_back(at::full(parameter->shape, -1.0, wanted.back().options()));
            const auto own = row_share(parameter->shape[0], ranks);
            own.of(tensors.back()).copy_(own.of(wanted.back()));
            exchange.add(tensors.back(), ranks);
          }
        exchange.finish();
        for (size_t i = 0; i < tensors.size(); ++i) EXPECT_TRUE(tensors[i].equal(wanted[i])) << i;
      });
}

}  // namespace
}  // namespace ingot::train
