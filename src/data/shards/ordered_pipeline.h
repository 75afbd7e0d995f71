#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace ingot::data {

/// How much may be under way between reading and writing.
struct PipelineLimits {
  int workers = 1;
  size_t max_items = 4;
  size_t max_bytes = size_t{256} << 20;  // one item may be larger, but then it goes alone
};

/// One reading thread, several working threads, and the calling thread, which takes the results in the order in which
/// their items were read. The first exception of any part ends all of them and is thrown from run().
template <class In, class Out>
class OrderedPipeline {
 public:
  std::function<std::optional<In>()> read;      // nothing at the end
  std::function<size_t(const In&)> size_of;     // bytes that an item holds
  std::function<Out(In)> work;                  // called from all workers at once
  std::function<void(Out)> write;
  std::function<void()> on_failure;             // where read() waits for something else: makes it return; may be absent

  void run(const PipelineLimits& limits) {
    limits_ = limits;
    {
      std::vector<std::jthread> threads;
      guard([&] {  // a thread that cannot start ends those that have
        threads.emplace_back([this] { guard([this] { read_all(); }); });
        for (int i = 0; i < limits.workers; ++i) threads.emplace_back([this] { guard([this] { work_all(); }); });
      });
      guard([this] { write_all(); });
    }
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  struct Slot {
    std::optional<In> in;
    std::optional<Out> out;
    size_t bytes = 0;
  };
  using Lock = std::unique_lock<std::mutex>;

  template <class Body>
  void guard(const Body& body) {
    try {
      body();
    } catch (...) {
      {
        const Lock lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
        changed_.notify_all();
      }
      if (on_failure) on_failure();
    }
  }
  bool has_room(size_t bytes) const {
    return slots_.empty() || (slots_.size() < limits_.max_items && bytes_ + bytes <= limits_.max_bytes);
  }

  void read_all() {
    while (std::optional<In> item = read()) {
      auto slot = std::make_shared<Slot>();
      slot->bytes = size_of(*item);
      slot->in = std::move(item);
      Lock lock(mutex_);
      changed_.wait(lock, [&] { return failure_ || has_room(slot->bytes); });
      if (failure_) return;
      bytes_ += slot->bytes;
      slots_.push_back(std::move(slot));
      changed_.notify_all();
    }
    const Lock lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

  void work_all() {
    Lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return failure_ || num_taken_ < slots_.size() || ended_; });
      if (failure_ || num_taken_ == slots_.size()) return;
      const std::shared_ptr<Slot> slot = slots_[num_taken_++];
      lock.unlock();
      Out out = work(std::move(*slot->in));
      slot->in.reset();
      lock.lock();
      slot->out = std::move(out);
      changed_.notify_all();
    }
  }

  void write_all() {
    for (;;) {
      Lock lock(mutex_);
      changed_.wait(lock, [&] { return failure_ || (slots_.empty() ? ended_ : slots_.front()->out.has_value()); });
      if (failure_ || slots_.empty()) return;
      const std::shared_ptr<Slot> slot = std::move(slots_.front());
      slots_.pop_front();
      --num_taken_;
      lock.unlock();
      write(std::move(*slot->out));
      slot->out.reset();
      lock.lock();
      bytes_ -= slot->bytes;  // its memory is free only now
      changed_.notify_all();
    }
  }

  PipelineLimits limits_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Slot>> slots_;  // read and not yet written, in order
  size_t num_taken_ = 0;                     // of them, from the front, given to workers
  size_t bytes_ = 0;
  bool ended_ = false;
  std::exception_ptr failure_;
};

}  // namespace ingot::data
