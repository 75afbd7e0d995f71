#include "parallel/communicator.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <stdexcept>
#include <thread>

#include "core/error.h"
#include "launch/socket.h"
#include "ops/tree_sum.h"
#include "parallel/gloo.h"
#include "parallel/tree_reduce.h"

namespace ingot::parallel {
namespace {

/// Checks every call of a group whose ranks all run this.
void check_calls(Communicator& ranks) {
  const int64_t rank = ranks.rank(), size = ranks.size();
  auto sum = at::full({3}, static_cast<double>(rank + 1), at::kFloat);
  ranks.all_reduce(sum);
  EXPECT_TRUE(sum.equal(at::full({3}, static_cast<double>(size * (size + 1) / 2), at::kFloat)));

  auto part = at::empty({2}, at::kFloat);
  ranks.reduce_scatter(part, at::arange(2 * size, at::kFloat));
  EXPECT_TRUE(part.equal(at::tensor({2.0f * rank, 2.0f * rank + 1}) * size));

  auto whole = at::empty({2 * size}, at::kFloat);
  ranks.all_gather(whole, at::tensor({2.0f * rank, 2.0f * rank + 1}));
  EXPECT_TRUE(whole.equal(at::arange(2 * size, at::kFloat)));

  const std::vector<int64_t> out_rows(size, rank), in_rows = [&] {  // rank i gets i rows from each
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < size; ++i) rows.push_back(i);
    return rows;
  }();
  auto out = at::empty({rank * size, 2}, at::kFloat);
  ranks.all_to_all(out, out_rows, at::full({size * (size - 1) / 2, 2}, static_cast<double>(rank), at::kFloat), in_rows);
  for (int64_t row = 0; row < out.size(0); ++row) EXPECT_EQ(out[row][1].item<double>(), row / rank);

  const int64_t next = (rank + 1) % size, last = (rank + size - 1) % size;
  auto got = at::empty({1}, at::kLong);
  const auto mine = at::full({1}, rank, at::kLong);
  if (size > 1 && rank == 0) ranks.send(mine, next), ranks.receive(got, last);
  if (size > 1 && rank != 0) ranks.receive(got, last), ranks.send(mine, next);
  if (size > 1) {
    EXPECT_EQ(got.item<int64_t>(), last);
  }
  if (size % 2 == 0) {
    ranks.exchange(mine, got, rank ^ 1);
    EXPECT_EQ(got.item<int64_t>(), rank ^ 1);
  }
  ranks.barrier("the end of the test");
}

TEST(Communicator, ThreadsExchangeWhatTheCallsSay) {
  for (const int64_t size : {1, 2, 3, 4, 8}) run_ranks(size, check_calls);
}

TEST(Communicator, TheOnlyRankHasNobodyToSendTo) {
  check_calls(only_rank());
  EXPECT_THROW(only_rank().send(at::zeros({1}), 1), std::logic_error);
}

TEST(Communicator, ARankThatFailsEndsTheOthers) {
  std::atomic<int> ended{0};
  const auto body = [&](Communicator& ranks) {
    if (ranks.rank() == 1) throw DataError("rank 1 has read a bad file");
    try {
      ranks.barrier("waiting for all");
    } catch (const CommError& error) {
      EXPECT_STREQ(error.what(), "waiting for all: another rank has failed");
      ++ended;
      throw;
    }
  };
  EXPECT_THROW(run_ranks(4, body), DataError);
  EXPECT_EQ(ended, 3);
}

/// A port of the loopback interface that is free.
uint16_t free_port() { return launch::own_port(launch::listen_at("127.0.0.1", 0)); }

MeetingPlace place_of_rank(uint16_t port, int64_t rank, int64_t size, std::chrono::seconds timeout) {
  MeetingPlace place;
  place.going = {.rank = rank, .size = size, .timeout = timeout, .serves = rank == 0};
  place.going.door = {.host = "127.0.0.1", .port = port, .token = "a secret of the test"};
  return place;
}

/// Runs `body` on threads that meet over Gloo, as processes would.
void run_over_gloo(int64_t size, const std::function<void(Communicator&)>& body) {
  const uint16_t port = free_port();
  std::vector<std::future<void>> done;
  for (int64_t rank = 0; rank < size; ++rank)
    done.push_back(std::async(std::launch::async, [&, rank] {
      const auto ranks = meet_over_gloo(place_of_rank(port, rank, size, std::chrono::seconds(20)));
      body(*ranks);
      ranks->barrier("the end, for rank 0 serves the others");
    }));
  for (auto& one : done) one.get();
}

TEST(Communicator, GlooDoesTheSame) {
  for (const int64_t size : {1, 2, 3, 4}) run_over_gloo(size, check_calls);
}

/// Checks a group of every second rank.
void check_split(Communicator& ranks) {
  const auto group = ranks.split(ranks.rank() % 2);
  EXPECT_EQ(group->size(), (ranks.size() + 1 - ranks.rank() % 2) / 2);
  EXPECT_EQ(group->rank(), ranks.rank() / 2);
  auto sum = at::full({1}, ranks.rank(), at::kLong);
  group->all_reduce(sum);
  int64_t wanted = 0;
  for (int64_t rank = ranks.rank() % 2; rank < ranks.size(); rank += 2) wanted += rank;
  EXPECT_EQ(sum.item<int64_t>(), wanted);
  check_calls(*group);
  ranks.barrier("the end of the split's test");
}

/// Several calls are begun before the first is waited for; a rank begins them long before the others do.
void check_begun_calls(Communicator& world) {
  const auto group = world.split(0);
  auto& ranks = *group;
  const int64_t rank = ranks.rank(), size = ranks.size();
  if (rank > 0) world.barrier("until rank 0 has begun");
  std::vector<at::Tensor> sums, parts, wholes;
  std::vector<Begun> calls;
  for (int64_t i = 0; i < 5; ++i) {
    sums.push_back(at::full({1000}, static_cast<double>(rank + i), at::kFloat));
    parts.push_back(at::empty({2, 3}, at::kFloat));
    wholes.push_back(at::empty({2 * size}, at::kFloat));
    calls.push_back(ranks.begin_all_reduce(sums.back()));
    calls.push_back(ranks.begin_reduce_scatter(parts.back(), at::full({2 * size, 3}, static_cast<double>(rank * i), at::kFloat)));
    calls.push_back(ranks.begin_all_gather(wholes.back(), at::full({2}, static_cast<double>(rank + i), at::kFloat)));
  }
  if (rank == 0) world.barrier("until rank 0 has begun");
  for (const auto& call : calls) call.wait();
  const int64_t rank_sum = size * (size - 1) / 2;
  for (int64_t i = 0; i < 5; ++i) {
    const auto n = static_cast<size_t>(i);
    EXPECT_TRUE(sums[n].equal(at::full({1000}, static_cast<double>(rank_sum + size * i), at::kFloat)));
    EXPECT_TRUE(parts[n].equal(at::full({2, 3}, static_cast<double>(rank_sum * i), at::kFloat)));
    EXPECT_TRUE(wholes[n].equal(at::arange(size, at::kFloat).repeat_interleave(2) + static_cast<double>(i)));
  }
}

TEST(Communicator, CallsThatHaveBegunGiveTheSame) {
  check_begun_calls(only_rank());
  for (const int64_t size : {2, 3, 4}) run_ranks(size, check_begun_calls);
  for (const int64_t size : {2, 3, 4}) run_over_gloo(size, check_begun_calls);
}

TEST(Communicator, GlooGoesOnWhileACallIsUnderWay) {
  run_over_gloo(2, [](Communicator& ranks) {
    const auto group = ranks.split(0);
    const auto sum = at::ones({1 << 20});
    std::optional<Begun> call;
    if (ranks.rank() == 0) call = group->begin_all_reduce(sum);
    EXPECT_FALSE(call && call->is_done());  // the other one has not begun
    ranks.barrier("rank 0 has begun");
    if (ranks.rank() == 1) call = group->begin_all_reduce(sum);
    call->wait();
    EXPECT_TRUE(call->is_done());
    EXPECT_TRUE(sum.equal(at::full({1 << 20}, 2.0)));
  });
}

TEST(Communicator, AGroupWhoseCallNobodyElseMakesIsLeftAtOnce) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THROW(run_over_gloo(2,
                             [](Communicator& ranks) {
                               const auto group = ranks.split(0);
                               if (ranks.rank() == 1) throw DataError("rank 1 has read a bad file");
                               group->begin_all_reduce(at::ones({1}));
                               throw CommError("rank 0 has failed, too");
                             }),
               Error);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(15));  // calls of this test wait for 20 s
}

TEST(Communicator, AGroupOfSomeRanksDoesTheSame) {
  for (const int64_t size : {1, 2, 3, 4, 8}) run_ranks(size, check_split);
  for (const int64_t size : {2, 3, 4}) run_over_gloo(size, check_split);
}

TEST(Communicator, ThreadsOfSeveralProcessesAreRanksOfOneGroup) {
  run_over_gloo(2, [](Communicator& processes) {
    host_ranks(processes, 2, [](Communicator& ranks) {
      EXPECT_EQ(ranks.size(), 4);
      check_calls(ranks);
      check_split(ranks);
    });
  });
}

/// Sums ones, `size` of them, a hundred times.
void sum_often(Communicator& group, int64_t size, std::atomic<int>& wrong) {
  for (int i = 0; i < 100; ++i) {
    auto ones = at::ones({size});
    group.all_reduce(ones);
    wrong += !ones.equal(at::full({size}, static_cast<double>(group.size())));
  }
}

TEST(Communicator, GroupsOfTheSameRanksDoNotMixWhatTheirThreadsExchange) {
  std::atomic<int> wrong = 0;
  run_ranks(3, [&](Communicator& ranks) {
    const auto beside = ranks.split(0), of_two = ranks.split(ranks.rank() / 2);
    std::thread other([&] { sum_often(*beside, 5, wrong); });
    std::thread third([&] { sum_often(*of_two, 7, wrong); });
    sum_often(ranks, 3, wrong);
    other.join(), third.join();
  });
  EXPECT_EQ(wrong, 0);
}

TEST(Communicator, AThreadThatFailsEndsThoseOfOtherProcessesToo) {
  std::atomic<int> ended{0};
  const auto body = [&](Communicator& processes) {
    host_ranks(processes, 2, [&](Communicator& ranks) {
      if (ranks.rank() == 3) throw DataError("rank 3 has read a bad file");
      try {
        ranks.split(0);
      } catch (const CommError&) {
        ++ended;
        throw;
      }
    });
  };
  EXPECT_ANY_THROW(run_over_gloo(2, body));
  EXPECT_EQ(ended, 3);
}

TEST(Communicator, OfARankThatIsGoneGlooNamesTheCall) {
  std::string message;
  const auto body = [&](Communicator& ranks) {
    if (ranks.rank() == 0) throw DataError("rank 0 has read a bad file");
    auto got = at::empty({1}, at::kLong);
    try {
      ranks.receive(got, 0);
    } catch (const CommError& error) {
      message = error.what();
    }
  };
  EXPECT_ANY_THROW(run_over_gloo(2, body));
  EXPECT_TRUE(message.starts_with("receive from rank 0: ")) << message;
}

TEST(Communicator, ARankThatComesAloneIsToldWhereItWaited) {
  const uint16_t port = free_port();
  try {
    meet_over_gloo(place_of_rank(port, 0, 2, std::chrono::seconds(1)));
    ADD_FAILURE() << "the other rank did not come";
  } catch (const CommError& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with(fmt::format("127.0.0.1:{}: rank 0 of 2 could not meet the others: ", port))) << error.what();
  }
}

TEST(Communicator, AHostWithoutAnAddressIsNamed) {
  auto place = place_of_rank(1, 1, 2, std::chrono::seconds(1));
  place.going.door.host = "no-such-host.invalid", place.going.door.patience = std::chrono::seconds(0);
  try {
    meet_over_gloo(place);
    ADD_FAILURE() << "there is no such host";
  } catch (const CommError& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("no-such-host.invalid:1: rank 1 of 2 could not meet the others: no-such-host.invalid: ")) << error.what();
  }
}

/// Random leaves whose plain sum depends on its order.
std::vector<at::Tensor> leaves(int64_t count) {
  at::manual_seed(1);
  std::vector<at::Tensor> found;
  for (int64_t i = 0; i < count; ++i) found.push_back(at::randn({1000}) * at::pow(10, at::randint(-3, 4, {1000})));
  return found;
}

at::Tensor tree_sum(const std::vector<at::Tensor>& of) {
  ops::TreeSum sum;
  for (const auto& leaf : of) sum.add(leaf.defined() ? leaf.clone() : leaf);
  return sum.take();
}

TEST(TreeReduce, AnyNumberOfRanksGivesTheBitsOfOne) {
  const auto all = leaves(8);
  const auto wanted = tree_sum(all);
  for (const int64_t size : {1, 2, 4, 8})
    run_ranks(size, [&](Communicator& ranks) {
      const int64_t share = 8 / ranks.size();
      const auto mine = std::vector(all.begin() + ranks.rank() * share, all.begin() + (ranks.rank() + 1) * share);
      const auto sum = tree_sum(mine);
      tree_all_reduce(ranks, sum);
      EXPECT_TRUE(sum.equal(wanted)) << size << " ranks";
    });
}

TEST(TreeReduce, IsWhatHostedRanksDoWhereverTheyAre) {
  const auto all = leaves(4);
  const auto wanted = tree_sum(all);
  const auto check = [&](Communicator& ranks) {
    const auto sum = all[static_cast<size_t>(ranks.rank())].clone();
    ranks.all_reduce(sum);
    EXPECT_TRUE(sum.equal(wanted));
  };
  run_ranks(4, check);
  for (const int64_t processes : {2, 4})
    run_over_gloo(processes, [&](Communicator& group) { host_ranks(group, 4 / group.size(), check); });
}

TEST(TreeReduce, APlainOrderGivesOtherBits) {
  const auto all = leaves(8);
  auto plain = all[0].clone();
  for (size_t i = 1; i < all.size(); ++i) plain += all[i];
  EXPECT_FALSE(plain.equal(tree_sum(all)));
}

TEST(TreeReduce, LeavesThatAreMissingAreLeftOut) {
  const auto all = leaves(4);
  EXPECT_TRUE(tree_sum({all[0], {}, all[2], all[3]}).equal(all[0] + (all[2] + all[3])));
  EXPECT_FALSE(tree_sum({at::Tensor(), at::Tensor()}).defined());
}

}  // namespace
}  // namespace ingot::parallel
