// Ranks as threads of processes: every layout in a test without sockets, and several logical ranks of a run in one process.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <condition_variable>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <queue>
#include <stdexcept>
#include <thread>

#include "core/error.h"
#include "core/trace.h"
#include "parallel/communicator.h"
#include "parallel/tree_reduce.h"

namespace ingot::parallel {
namespace {

/// What the threads of a process share. Ranks are those of all threads of all processes.
class Host {
 public:
  Host(Communicator& processes, int64_t threads)
      : processes_(processes), patient_(processes.split(0, /*is_patient=*/true)), threads_(threads), posted_(static_cast<size_t>(threads)) {}
  int64_t num_ranks() const { return processes_.size() * threads_; }
  int64_t first_rank() const { return processes_.rank() * threads_; }

  /// Between processes a call of a patient group waits as long as they live.
  void send(const at::Tensor& tensor, int64_t from, int64_t to, int64_t tag, bool is_patient) {
    if (is_here(to)) put({from, to, tag}, tensor);
    else between(is_patient).send(tensor, to / threads_, number_of({from, to, tag}));
  }

  std::function<void()> begin_send(const at::Tensor& tensor, int64_t from, int64_t to, int64_t tag, bool is_patient) {
    if (!is_here(to)) return between(is_patient).begin_send(tensor, to / threads_, number_of({from, to, tag}));
    put({from, to, tag}, tensor);
    return [] {};
  }

  void receive(at::Tensor tensor, int64_t to, int64_t from, int64_t tag, bool is_patient) {
    if (is_here(from)) tensor.copy_(take({from, to, tag}));
    else between(is_patient).receive(tensor, from / threads_, number_of({from, to, tag}));
  }

  void exchange(const at::Tensor& sent, at::Tensor received, int64_t own, int64_t with, Communicator::Tags tags, bool is_patient) {
    const Letter out{own, with, tags.sent}, in{with, own, tags.received};
    if (!is_here(with)) return between(is_patient).exchange(sent, received, with / threads_, {number_of(out), number_of(in)});
    put(out, sent);
    received.copy_(take(in));
  }

  /// All threads of the process.
  void meet(const std::string& what) {
    std::unique_lock lock(mutex_);
    const int64_t round = round_;
    if (++waiting_ == threads_) {
      waiting_ = 0, ++round_;
      met_.notify_all();
      return;
    }
    wait(met_, lock, what, [&] { return round_ != round; });
  }

  void barrier(int64_t rank, const std::string& reason) {
    meet(reason);
    if (rank == first_rank()) processes_.barrier(reason);
    meet(reason);
  }

  void give_up() {
    {
      const std::lock_guard lock(mutex_);
      is_broken_ = true;
      met_.notify_all();
      for (auto& posted : posted_) posted.notify_all();
    }
    processes_.abandon();
    patient_->abandon();
  }

 private:
  struct Letter {
    int64_t from, to, tag;
    auto operator<=>(const Letter&) const = default;
  };
  std::condition_variable& posted_to(int64_t rank) { return posted_[static_cast<size_t>(rank - first_rank())]; }
  bool is_here(int64_t rank) const { return rank / threads_ == processes_.rank(); }
  int64_t number_of(const Letter& letter) const { return (letter.tag * num_ranks() + letter.from) * num_ranks() + letter.to; }

  void put(const Letter& letter, const at::Tensor& tensor) {
    const std::lock_guard lock(mutex_);
    mail_[letter].push(tensor.clone());
    posted_to(letter.to).notify_all();
  }

  at::Tensor take(const Letter& letter) {
    std::unique_lock lock(mutex_);
    auto& letters = mail_[letter];
    wait(posted_to(letter.to), lock, fmt::format("receive from rank {}", letter.from), [&] { return !letters.empty(); });
    auto tensor = letters.front();
    letters.pop();
    return tensor;
  }

  template <class Condition>
  void wait(std::condition_variable& changed, std::unique_lock<std::mutex>& lock, const std::string& what, Condition holds) {
    changed.wait(lock, [&] { return is_broken_ || holds(); });
    if (!holds()) throw CommError(fmt::format("{}: another rank has failed", what));
  }

  Communicator& between(bool is_patient) { return is_patient ? *patient_ : processes_; }

  Communicator& processes_;
  const std::unique_ptr<Communicator> patient_;
  const int64_t threads_;
  std::mutex mutex_;
  std::condition_variable met_;
  std::vector<std::condition_variable> posted_;  // to each of the ranks here
  int64_t waiting_ = 0, round_ = 0;
  std::map<Letter, std::queue<at::Tensor>> mail_;
  bool is_broken_ = false;
};

constexpr int64_t kTags = 256;  // of a group; the pipeline's are the most

/// One of a group of ranks, all of whose calls are made of messages between two. The messages of a group are its own, as other threads of its
/// ranks may exchange in another at the same time.
class HostedRank : public Communicator {
 public:
  /// `next_group`: of all groups of this rank, a number that none of them has yet.
  HostedRank(Host& host, std::vector<int64_t> members, int64_t rank, std::shared_ptr<int64_t> next_group, int64_t group, bool is_patient)
      : host_(host), members_(std::move(members)), rank_(rank), next_group_(std::move(next_group)), group_(group), is_patient_(is_patient) {}
  int64_t rank() const override { return rank_; }
  int64_t size() const override { return static_cast<int64_t>(members_.size()); }

  void all_reduce(at::Tensor tensor) override {
    if (std::has_single_bit(members_.size())) return tree_all_reduce(*this, tensor);
    const auto all = gathered(tensor);
    tensor.copy_(all[0]);
    for (size_t i = 1; i < all.size(); ++i) tensor.add_(all[i]);
  }

  void reduce_scatter(at::Tensor part, const at::Tensor& whole) override {
    const auto sum = whole.clone();
    all_reduce(sum);
    part.copy_(sum.chunk(size(), 0)[static_cast<size_t>(rank_)]);
  }

  void all_gather(at::Tensor whole, const at::Tensor& part) override { whole.copy_(at::cat(gathered(part))); }

  void all_to_all(at::Tensor out, const std::vector<int64_t>& out_rows, const at::Tensor& in, const std::vector<int64_t>& in_rows) override {
    const auto sent = in.split_with_sizes(in_rows), places = out.split_with_sizes(out_rows);
    for (int64_t other = 0; other < size(); ++other) {
      const auto i = static_cast<size_t>(other);
      if (other == rank_) places[i].copy_(sent[i]);
      else exchange(sent[i].contiguous(), places[i], other);
    }
  }

  void send(const at::Tensor& tensor, int64_t to, int64_t tag) override { host_.send(tensor, own(), member(to), of_group(tag), is_patient_); }
  std::function<void()> begin_send(const at::Tensor& tensor, int64_t to, int64_t tag) override { return host_.begin_send(tensor, own(), member(to), of_group(tag), is_patient_); }
  void receive(at::Tensor tensor, int64_t from, int64_t tag) override { host_.receive(tensor, own(), member(from), of_group(tag), is_patient_); }
  using Communicator::exchange;
  void exchange(const at::Tensor& sent, at::Tensor received, int64_t with, Tags tags) override {
    host_.exchange(sent, received, own(), member(with), {of_group(tags.sent), of_group(tags.received)}, is_patient_);
  }

  void barrier(const std::string& reason) override {
    if (size() == host_.num_ranks()) return host_.barrier(own(), reason);
    gathered(at::zeros({1}));
  }

  using Communicator::split;
  std::unique_ptr<Communicator> split(int64_t colour, bool is_patient) override {
    const auto told = gathered(at::tensor({colour, *next_group_}, at::kLong));
    std::vector<int64_t> members;
    int64_t rank = 0, group = 0;
    for (int64_t i = 0; i < size(); ++i) {
      group = std::max(group, told[static_cast<size_t>(i)][1].item<int64_t>());
      if (told[static_cast<size_t>(i)][0].item<int64_t>() != colour) continue;
      if (i == rank_) rank = std::ssize(members);
      members.push_back(member(i));
    }
    *next_group_ = group + 1;
    return std::make_unique<HostedRank>(host_, std::move(members), rank, next_group_, group, is_patient);
  }

  void abandon() override { host_.give_up(); }

 private:
  int64_t member(int64_t rank) const { return members_.at(static_cast<size_t>(rank)); }
  int64_t own() const { return member(rank_); }

  int64_t of_group(int64_t tag) const {
    if (tag < 0 || tag >= kTags) throw std::logic_error(fmt::format("tag {} of a message, wanted one below {}", tag, kTags));
    return group_ * kTags + tag;
  }

  /// Every rank's tensor, in order. Pairs meet in the order of their numbers, so that no ring of them waits for each other.
  std::vector<at::Tensor> gathered(const at::Tensor& mine) {
    std::vector<at::Tensor> all;
    for (int64_t other = 0; other < size(); ++other) {
      all.push_back(other == rank_ ? mine.clone() : at::empty_like(mine));
      if (other != rank_) exchange(mine, all.back(), other);
    }
    return all;
  }

  Host& host_;
  const std::vector<int64_t> members_;  // as the host counts them
  const int64_t rank_;
  const std::shared_ptr<int64_t> next_group_;
  const int64_t group_;
  const bool is_patient_;
};

}  // namespace

void host_ranks(Communicator& processes, int64_t num_threads, const std::function<void(Communicator&)>& body) {
  Host host(processes, num_threads);
  std::mutex mutex;
  std::exception_ptr first;
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < num_threads; ++i)
    threads.emplace_back([&, i] {
      try {
        name_trace_thread(fmt::format("rank {}", host.first_rank() + i));
        std::vector<int64_t> all(static_cast<size_t>(host.num_ranks()));
        std::iota(all.begin(), all.end(), 0);
        HostedRank rank(host, std::move(all), host.first_rank() + i, std::make_shared<int64_t>(1), 0, /*is_patient=*/false);
        body(rank);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!first) first = std::current_exception();
        host.give_up();
      }
    });
  for (auto& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

void run_ranks(int64_t size, const std::function<void(Communicator&)>& body) { host_ranks(only_rank(), size, body); }

}  // namespace ingot::parallel
