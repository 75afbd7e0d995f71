#include "parallel/traced.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <mutex>
#include <utility>
#include <vector>

#include "core/trace.h"

namespace ingot::parallel {
namespace {

constexpr const char* kCategory = "communication";

/// Tracks of calls under way: each has one of its own until it has ended.
class CallTracks {
 public:
  explicit CallTracks(std::string name) : name_(std::move(name)) {}
  size_t take() {
    const std::lock_guard lock(mutex_);
    size_t track = 0;
    while (track < is_taken_.size() && is_taken_[track]) ++track;
    if (track == is_taken_.size()) is_taken_.push_back(true);
    is_taken_[track] = true;
    return track;
  }
  void give_back(size_t track) {
    const std::lock_guard lock(mutex_);
    is_taken_[track] = false;
  }
  int64_t number(size_t track) const { return trace_track(fmt::format("{} under way {}", name_, track)); }

 private:
  const std::string name_;
  std::mutex mutex_;
  std::vector<bool> is_taken_;
};

TraceFact bytes_of(const at::Tensor& tensor) { return {"bytes", static_cast<int64_t>(tensor.nbytes())}; }

class Traced : public Communicator {
 public:
  Traced(std::unique_ptr<Communicator> own, Communicator& ranks, const std::string& name)
      : own_(std::move(own)), ranks_(ranks), all_reduce_(lasting(name + " all-reduce")), reduce_scatter_(lasting(name + " reduce-scatter")),
        all_gather_(lasting(name + " all-gather")), all_to_all_(lasting(name + " all-to-all")), send_(lasting(name + " send")),
        receive_(lasting(name + " receive")), exchange_(lasting(name + " exchange")), barrier_(lasting(name + " barrier")),
        tracks_(std::make_shared<CallTracks>(name)) {}

  int64_t rank() const override { return ranks_.rank(); }
  int64_t size() const override { return ranks_.size(); }

  void all_reduce(at::Tensor tensor) override {
    const Span span(kCategory, all_reduce_, bytes_of(tensor));
    ranks_.all_reduce(std::move(tensor));
  }
  void reduce_scatter(at::Tensor part, const at::Tensor& whole) override {
    const Span span(kCategory, reduce_scatter_, bytes_of(whole));
    ranks_.reduce_scatter(std::move(part), whole);
  }
  void all_gather(at::Tensor whole, const at::Tensor& part) override {
    const Span span(kCategory, all_gather_, bytes_of(whole));
    ranks_.all_gather(std::move(whole), part);
  }
  Begun begin_all_reduce(at::Tensor tensor) override { return noted(all_reduce_, tensor, ranks_.begin_all_reduce(tensor)); }
  Begun begin_reduce_scatter(at::Tensor part, const at::Tensor& whole) override {
    return noted(reduce_scatter_, whole, ranks_.begin_reduce_scatter(std::move(part), whole));
  }
  Begun begin_all_gather(at::Tensor whole, const at::Tensor& part) override { return noted(all_gather_, whole, ranks_.begin_all_gather(whole, part)); }
  void all_to_all(at::Tensor out, const std::vector<int64_t>& out_rows, const at::Tensor& in, const std::vector<int64_t>& in_rows) override {
    const Span span(kCategory, all_to_all_, bytes_of(in));
    ranks_.all_to_all(std::move(out), out_rows, in, in_rows);
  }
  void send(const at::Tensor& tensor, int64_t to, int64_t tag) override {
    const Span span(kCategory, send_, bytes_of(tensor), {"to", to});
    ranks_.send(tensor, to, tag);
  }
  std::function<void()> begin_send(const at::Tensor& tensor, int64_t to, int64_t tag) override {
    const Span span(kCategory, send_, bytes_of(tensor), {"to", to});
    return ranks_.begin_send(tensor, to, tag);
  }
  void receive(at::Tensor tensor, int64_t from, int64_t tag) override {
    const Span span(kCategory, receive_, bytes_of(tensor), {"from", from});
    ranks_.receive(std::move(tensor), from, tag);
  }
  using Communicator::exchange;
  void exchange(const at::Tensor& sent, at::Tensor received, int64_t with, Tags tags) override {
    const Span span(kCategory, exchange_, bytes_of(sent), {"with", with});
    ranks_.exchange(sent, std::move(received), with, tags);
  }
  void barrier(const std::string& reason) override {
    const Span span(kCategory, barrier_);
    ranks_.barrier(reason);
  }
  std::unique_ptr<Communicator> split(int64_t colour, bool is_patient) override { return ranks_.split(colour, is_patient); }
  void abandon() override { ranks_.abandon(); }

 private:
  /// Of a call that does nothing by itself the wait is the call.
  Begun noted(const char* name, const at::Tensor& tensor, Begun call) {
    const TraceFact bytes = bytes_of(tensor);
    if (call.when_done) {
      const size_t track = tracks_->take();
      call.when_done([name, bytes, track, tracks = tracks_, begin = trace_time()] {
        record({kCategory, name, tracks->number(track), begin, trace_time(), {bytes}});
        tracks->give_back(track);
      });
    }
    const char* wait_name = call.when_done ? lasting(fmt::format("wait for {}", name)) : name;
    call.wait = [wait = std::move(call.wait), wait_name, bytes] {
      const Span span(kCategory, wait_name, bytes);
      wait();
    };
    return call;
  }

  const std::unique_ptr<Communicator> own_;
  Communicator& ranks_;
  const char *const all_reduce_, *const reduce_scatter_, *const all_gather_, *const all_to_all_, *const send_, *const receive_, *const exchange_,
      *const barrier_;
  const std::shared_ptr<CallTracks> tracks_;
};

}  // namespace

std::unique_ptr<Communicator> traced(std::unique_ptr<Communicator> ranks, const std::string& name) {
  if (!is_traced() || !ranks || ranks->size() == 1) return ranks;
  auto& group = *ranks;
  return std::make_unique<Traced>(std::move(ranks), group, name);
}

}  // namespace ingot::parallel
