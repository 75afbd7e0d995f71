#include "data/shards/ordered_pipeline.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace ingot::data {
namespace {

/// Squares 0 to n - 1 through a pipeline.
struct Squares {
  explicit Squares(int count) : n(count) {
    pipeline.read = [this]() -> std::optional<int> { return next < n ? std::optional(next++) : std::nullopt; };
    pipeline.size_of = [](const int&) { return size_t{1}; };
    pipeline.work = [](int value) {
      for (int spin = 0; spin < (value % 7) * 1000; ++spin) std::this_thread::yield();
      return value * value;
    };
    pipeline.write = [this](int value) { written.push_back(value); };
  }
  int n, next = 0;
  std::vector<int> written;
  OrderedPipeline<int, int> pipeline;
};

TEST(OrderedPipeline, ResultsComeInTheOrderOfTheItems) {
  for (const int workers : {1, 3, 8}) {
    Squares squares(300);
    squares.pipeline.run({workers, 5, 1000});
    ASSERT_EQ(squares.written.size(), 300u);
    for (int i = 0; i < 300; ++i) ASSERT_EQ(squares.written[i], i * i);
  }
}

}  // namespace

std::atomic<int> threads_left{-1};  // that may still start; below 0: any number

}  // namespace ingot::data

/// A sanitizer's, which has to know of every thread; none in other builds.
extern "C" int __interceptor_pthread_create(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*) __attribute__((weak));

/// Stands before the C library's own, and before a sanitizer's.
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*), void* argument) {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = __interceptor_pthread_create ? __interceptor_pthread_create
                                                        : reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  auto& left = ingot::data::threads_left;
  if (left == 0) return EAGAIN;
  if (left > 0) --left;
  return real(thread, attributes, body, argument);
}

namespace ingot::data {
namespace {

TEST(OrderedPipeline, EndsWithAnErrorWhenAThreadCannotStart) {
  for (const int possible : {0, 1, 3}) {
    Squares squares(300);
    threads_left = possible;
    EXPECT_THROW(squares.pipeline.run({4, 5, 1000}), std::system_error) << possible;
    threads_left = -1;
  }
}

TEST(OrderedPipeline, EmptyInputEnds) {
  Squares squares(0);
  squares.pipeline.run({4, 4, 10});
  EXPECT_TRUE(squares.written.empty());
}

TEST(OrderedPipeline, NoMoreIsUnderWayThanAllowed) {
  Squares squares(200);
  std::atomic<int> under_way{0}, most{0};
  squares.pipeline.size_of = [](const int& value) { return static_cast<size_t>(value % 10 == 0 ? 100 : 3); };
  squares.pipeline.work = [&](int value) {
    const int now = ++under_way;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    return value;
  };
  squares.pipeline.write = [&](int value) {
    squares.written.push_back(value);
    --under_way;
  };
  squares.pipeline.run({4, 50, 12});  // four items of 3 bytes, or one of 100
  EXPECT_EQ(squares.written.size(), 200u);
  EXPECT_LE(most, 4);
}

TEST(OrderedPipeline, ExceptionOfAnyPartEndsTheRun) {
  const auto fail = [](int value) {
    if (value == 50) throw std::runtime_error("fifty");
    return value;
  };
  Squares reading(1000), working(1000), writing(1000);
  reading.pipeline.read = [&, next = 0]() mutable -> std::optional<int> { return fail(next++); };
  working.pipeline.work = fail;
  writing.pipeline.write = [&](int value) { fail(value == 2500 ? 50 : 0); };
  for (Squares* squares : {&reading, &working, &writing})
    EXPECT_THROW(squares->pipeline.run({3, 8, 1000}), std::runtime_error);
  for (size_t i = 0; i < working.written.size(); ++i) EXPECT_EQ(working.written[i], static_cast<int>(i));
}

}  // namespace
}  // namespace ingot::data
