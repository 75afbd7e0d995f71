// Ranks as threads of one process: every layout in a test, without sockets.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <queue>
#include <thread>

#include "core/error.h"
#include "parallel/communicator.h"

namespace ingot::parallel {
namespace {

/// What the threads of a group share.
class Meeting {
 public:
  explicit Meeting(int64_t size) : size_(size), shown_(static_cast<size_t>(size)) {}
  int64_t size() const { return size_; }

  /// Shows `mine` to all and calls `use` with what every rank shows; nobody goes on before all have used it.
  void show(int64_t rank, const at::Tensor& mine, const std::string& what, const std::function<void(const std::vector<at::Tensor>&)>& use) {
    shown_[static_cast<size_t>(rank)] = mine;
    meet(what);
    use(shown_);
    meet(what);
  }

  void meet(const std::string& what) {
    std::unique_lock lock(mutex_);
    const int64_t round = round_;
    if (++waiting_ == size_) {
      waiting_ = 0, ++round_;
      changed_.notify_all();
      return;
    }
    wait(lock, what, [&] { return round_ != round; });
  }

  void put(int64_t from, int64_t to, const at::Tensor& tensor) {
    const std::lock_guard lock(mutex_);
    mail_[{from, to}].push(tensor.clone());
    changed_.notify_all();
  }

  at::Tensor take(int64_t from, int64_t to) {
    std::unique_lock lock(mutex_);
    auto& letters = mail_[{from, to}];
    wait(lock, fmt::format("receive from rank {}", from), [&] { return !letters.empty(); });
    auto tensor = letters.front();
    letters.pop();
    return tensor;
  }

  void give_up() {
    const std::lock_guard lock(mutex_);
    broken_ = true;
    changed_.notify_all();
  }

 private:
  template <class Condition>
  void wait(std::unique_lock<std::mutex>& lock, const std::string& what, Condition holds) {
    changed_.wait(lock, [&] { return broken_ || holds(); });
    if (!holds()) throw CommError(fmt::format("{}: another rank has failed", what));
  }

  const int64_t size_;
  std::vector<at::Tensor> shown_;  // of each rank
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t waiting_ = 0, round_ = 0;
  std::map<std::pair<int64_t, int64_t>, std::queue<at::Tensor>> mail_;  // by sender and receiver
  bool broken_ = false;
};

class ThreadRank : public Communicator {
 public:
  ThreadRank(Meeting& meeting, int64_t rank) : meeting_(meeting), rank_(rank) {}
  int64_t rank() const override { return rank_; }
  int64_t size() const override { return meeting_.size(); }

  void all_reduce(at::Tensor tensor) override {
    at::Tensor sum;
    meeting_.show(rank_, tensor, "all-reduce", [&](const auto& all) { sum = sum_of(all); });
    tensor.copy_(sum);
  }

  void reduce_scatter(at::Tensor part, const at::Tensor& whole) override {
    meeting_.show(rank_, whole, "reduce-scatter", [&](const auto& all) {
      std::vector<at::Tensor> mine;
      for (const auto& one : all) mine.push_back(one.chunk(size(), 0)[static_cast<size_t>(rank_)]);
      part.copy_(sum_of(mine));
    });
  }

  void all_gather(at::Tensor whole, const at::Tensor& part) override {
    meeting_.show(rank_, part, "all-gather", [&](const auto& all) { whole.copy_(at::cat(all)); });
  }

  void all_to_all(at::Tensor out, const std::vector<int64_t>& out_rows, const at::Tensor& in, const std::vector<int64_t>& in_rows) override {
    const auto sent = in.split_with_sizes(in_rows);
    for (int64_t to = 0; to < size(); ++to) meeting_.put(rank_, to, sent[static_cast<size_t>(to)]);
    const auto places = out.split_with_sizes(out_rows);
    for (int64_t from = 0; from < size(); ++from) places[static_cast<size_t>(from)].copy_(meeting_.take(from, rank_));
  }

  void send(const at::Tensor& tensor, int64_t to) override { meeting_.put(rank_, to, tensor); }
  void receive(at::Tensor tensor, int64_t from) override { tensor.copy_(meeting_.take(from, rank_)); }

  void exchange(const at::Tensor& sent, at::Tensor received, int64_t with) override {
    send(sent, with);
    receive(received, with);
  }

  void barrier(const std::string& reason) override { meeting_.meet(reason); }

 private:
  static at::Tensor sum_of(const std::vector<at::Tensor>& all) {
    auto sum = all[0].clone();
    for (size_t i = 1; i < all.size(); ++i) sum += all[i];
    return sum;
  }

  Meeting& meeting_;
  int64_t rank_;
};

class OnlyRank : public Communicator {
 public:
  int64_t rank() const override { return 0; }
  int64_t size() const override { return 1; }
  void all_reduce(at::Tensor) override {}
  void reduce_scatter(at::Tensor part, const at::Tensor& whole) override { part.copy_(whole); }
  void all_gather(at::Tensor whole, const at::Tensor& part) override { whole.copy_(part); }
  void all_to_all(at::Tensor out, const std::vector<int64_t>&, const at::Tensor& in, const std::vector<int64_t>&) override { out.copy_(in); }
  void send(const at::Tensor&, int64_t to) override { refuse(to); }
  void receive(at::Tensor, int64_t from) override { refuse(from); }
  void exchange(const at::Tensor&, at::Tensor, int64_t with) override { refuse(with); }
  void barrier(const std::string&) override {}

 private:
  [[noreturn]] static void refuse(int64_t rank) { throw std::logic_error(fmt::format("there is no rank {} beside the only one", rank)); }
};

}  // namespace

Communicator& only_rank() {
  static OnlyRank rank;
  return rank;
}

void run_ranks(int64_t size, const std::function<void(Communicator&)>& body) {
  Meeting meeting(size);
  std::mutex mutex;
  std::exception_ptr first;
  std::vector<std::thread> threads;
  for (int64_t rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      try {
        ThreadRank communicator(meeting, rank);
        body(communicator);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!first) first = std::current_exception();
        meeting.give_up();
      }
    });
  for (auto& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace ingot::parallel
