#include "parallel/gloo.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

// Gloo's own headers come from the system and are older than the Gloo inside LibTorch: here they only have to declare what c10d's
// header names, nothing of Gloo is called.
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"
#include "launch/rank_meeting.h"
#include "launch/socket.h"

namespace ingot::parallel {
namespace {

constexpr std::chrono::hours kNoLimit{24 * 365};  // a rank that is gone is noticed by its connection

using Work = c10::intrusive_ptr<c10d::Work>;

c10::intrusive_ptr<c10d::ProcessGroupGloo> new_group(const c10::intrusive_ptr<c10d::Store>& store, int64_t rank, int64_t size,
                                                     const c10::intrusive_ptr<c10d::ProcessGroupGloo::Options>& options) {
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, static_cast<int>(rank), static_cast<int>(size), options);
}

/// The first line of a message of c10d: those after it are a stack trace.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// What fails is told by the call's name.
template <class Call>
auto named(const std::string& what, const Call& call) {
  try {
    return call();
  } catch (const std::exception& error) {
    throw CommError(fmt::format("{}: {}", what, first_line(error.what())));
  }
}

class Gloo : public Communicator {
 public:
  Gloo(c10::intrusive_ptr<c10d::Store> store, c10::intrusive_ptr<c10d::ProcessGroupGloo> group)
      : store_(std::move(store)), group_(std::move(group)) {}

  int64_t rank() const override { return group_->getRank(); }
  int64_t size() const override { return group_->getSize(); }

  /// c10d cannot take back a call: where one is under way still, as after an error, the group stays until the process ends.
  ~Gloo() override {
    forget_done();
    if (!begun_.empty()) group_.release();
  }

  void all_reduce(at::Tensor tensor) override { begin_all_reduce(tensor).wait(); }
  void reduce_scatter(at::Tensor part, const at::Tensor& whole) override { begin_reduce_scatter(part, whole).wait(); }
  void all_gather(at::Tensor whole, const at::Tensor& part) override { begin_all_gather(whole, part).wait(); }

  Begun begin_all_reduce(at::Tensor tensor) override {
    std::vector<at::Tensor> tensors{tensor};
    return begun_call("all-reduce", [&] { return group_->allreduce(tensors); });
  }

  /// c10d's own reduces everything to all ranks. Here each rank gets the others' terms of its part, and sums them in the ranks' order.
  Begun begin_reduce_scatter(at::Tensor part, const at::Tensor& whole) override {
    at::Tensor terms = at::empty({size(), part.numel()}, whole.options()), sent = whole.view({size(), part.numel()});
    std::vector<int64_t> equal_rows;
    auto call = begun_call("reduce-scatter", [&] { return group_->alltoall_base(terms, sent, equal_rows, equal_rows); });
    call.wait = [wait = call.wait, part, terms]() mutable {
      wait();
      const at::NoGradGuard no_grad;
      auto sum = part.view({-1});
      sum.copy_(terms[0]);
      for (int64_t rank = 1; rank < terms.size(0); ++rank) sum.add_(terms[rank]);
    };
    return call;
  }

  Begun begin_all_gather(at::Tensor whole, const at::Tensor& part) override {
    at::Tensor in = part;
    return begun_call("all-gather", [&] { return group_->_allgather_base(whole, in); });
  }

  void all_to_all(at::Tensor out, const std::vector<int64_t>& out_rows, const at::Tensor& in, const std::vector<int64_t>& in_rows) override {
    at::Tensor sent = in;
    auto out_counts = out_rows, in_counts = in_rows;
    wait("all-to-all", [&] { return group_->alltoall_base(out, sent, out_counts, in_counts); });
  }

  void send(const at::Tensor& tensor, int64_t to, int64_t tag) override {
    wait_for_message(fmt::format("send to rank {}", to), [&] { return sending(tensor, to, tag); });
  }

  std::function<void()> begin_send(const at::Tensor& tensor, int64_t to, int64_t tag) override {
    const auto what = fmt::format("send to rank {}", to);
    Work work = begun(what, [&] { return sending(tensor, to, tag); });
    return [this, what, tensor, work] { end(what, work); };
  }

  void receive(at::Tensor tensor, int64_t from, int64_t tag) override {
    wait_for_message(fmt::format("receive from rank {}", from), [&] { return receiving(tensor, from, tag); });
  }

  using Communicator::exchange;
  void exchange(const at::Tensor& sent, at::Tensor received, int64_t with, Tags tags) override {
    const auto what = fmt::format("exchange with rank {}", with);
    const Work arriving = begun(what, [&] { return receiving(received, with, tags.received); });
    wait_for_message(what, [&] { return sending(sent, with, tags.sent); });
    end(what, arriving);
  }

  void barrier(const std::string& reason) override {
    c10d::BarrierOptions options;
    options.timeout = kNoLimit;
    try {
      wait(reason, [&] { return group_->barrier(options); });
    } catch (const CommError&) {
      end_if_stopped(reason);  // as the rank is that did not come
      throw;
    }
  }

  using Communicator::split;
  std::unique_ptr<Communicator> split(int64_t colour, bool is_patient) override {
    auto colours = at::empty({size()}, at::kLong);
    all_gather(colours, at::full({1}, colour, at::kLong));
    int64_t rank_there = 0, size_there = 0;
    for (int64_t i = 0; i < size(); ++i) {
      if (i == rank()) rank_there = size_there;
      size_there += colours[i].item<int64_t>() == colour;
    }
    if (size_there == 1) return only_rank().split(colour);
    auto store = c10::make_intrusive<c10d::PrefixStore>(fmt::format("split_{}_{}", num_splits_++, colour), store_);
    auto options = c10d::ProcessGroupGloo::Options::create(is_patient ? kNoLimit : group_->getOptions()->timeout);
    options->devices = group_->getOptions()->devices, options->threads = group_->getOptions()->threads;
    try {
      return std::make_unique<Gloo>(store, new_group(store, rank_there, size_there, options));
    } catch (const std::exception& error) {
      throw CommError(fmt::format("a group of {} ranks could not meet: {}", size_there, first_line(error.what())));
    }
  }

  void abandon() override {
    const std::lock_guard lock(mutex_);
    is_abandoned_ = true;
    for (const auto& work : messages_) work->abort();
  }

 private:
  Begun begun_call(const std::string& what, const std::function<Work()>& begin) {
    forget_done();
    const Work work = named(what, begin);
    begun_.push_back(work);
    const auto end = [this, what, work] {
      wait(what, [&] { return work; });
      forget_done();  // it holds its tensors
    };
    return {end, [work] { return work->isCompleted(); },
            [work](std::function<void()> then) { work->getFuture()->addCallback([then = std::move(then)](c10::ivalue::Future&) { then(); }); }};
  }

  void forget_done() {
    std::erase_if(begun_, [](const Work& work) { return work->isCompleted(); });
  }

  Work sending(const at::Tensor& tensor, int64_t to, int64_t tag) {
    std::vector<at::Tensor> tensors{tensor};
    return group_->send(tensors, static_cast<int>(to), static_cast<int>(tag));
  }

  Work receiving(at::Tensor& tensor, int64_t from, int64_t tag) {
    std::vector<at::Tensor> tensors{tensor};
    return group_->recv(tensors, static_cast<int>(from), static_cast<int>(tag));
  }

  /// As wait; abandon() ends it.
  void wait_for_message(const std::string& what, const std::function<Work()>& begin) { end(what, begun(what, begin)); }

  Work begun(const std::string& what, const std::function<Work()>& begin) {
    return named(what, [&] {
      const std::lock_guard lock(mutex_);
      if (is_abandoned_) throw std::runtime_error("the group is given up");
      return *messages_.insert(begin()).first;
    });
  }

  void end(const std::string& what, const Work& work) {
    const auto forget = [&] {
      const std::lock_guard lock(mutex_);
      messages_.erase(work);
    };
    try {
      wait(what, [&] { return work; });
    } catch (const CommError&) {
      forget();
      throw;
    }
    forget();
  }

  static void wait(const std::string& what, const std::function<Work()>& begin) {
    named(what, [&] { return begin()->wait(); });
  }

  c10::intrusive_ptr<c10d::Store> store_;  // as long as the group: rank 0 serves it
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
  int64_t num_splits_ = 0;
  std::vector<Work> begun_;  // calls of all ranks that may be under way
  std::mutex mutex_;
  std::set<Work> messages_;  // under way
  bool is_abandoned_ = false;
};

/// What the ranks leave for each other at their meeting, as c10d asks for it.
class MeetingStore : public c10d::Store {
 public:
  explicit MeetingStore(const launch::RankGoing& going) : c10d::Store(going.timeout), meeting_(going) {}

  void set(const std::string& key, const std::vector<uint8_t>& value) override { meeting_.set(key, {value.begin(), value.end()}); }
  std::vector<uint8_t> get(const std::string& key) override {
    const auto value = meeting_.get({key}, timeout_).at(0);
    return {value.begin(), value.end()};
  }
  int64_t add(const std::string& key, int64_t value) override { return meeting_.add(key, value); }
  bool check(const std::vector<std::string>& keys) override { return meeting_.has(keys); }
  void wait(const std::vector<std::string>& keys) override { wait(keys, timeout_); }
  void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& timeout) override { meeting_.get(keys, timeout); }
  bool deleteKey(const std::string& key) override { throw std::logic_error("the ranks' meeting: deleteKey: " + key); }
  int64_t getNumKeys() override { throw std::logic_error("the ranks' meeting: getNumKeys"); }
  c10::intrusive_ptr<c10d::Store> clone() override { return c10::intrusive_ptr<c10d::Store>::unsafe_reclaim_from_nonowning(this); }

 private:
  launch::RankMeeting meeting_;
};

/// The interface that GLOO_SOCKET_IFNAME names, else the one on the way to rank 0.
std::shared_ptr<gloo::transport::Device> own_device(const MeetingPlace& place) {
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME")) return c10d::ProcessGroupGloo::createDeviceForInterface(interface);
  return c10d::ProcessGroupGloo::createDeviceForHostname(launch::address_towards(place.going.door.host, place.going.door.port));
}

/// The store of torchrun's agent, which has no token.
c10::intrusive_ptr<c10d::Store> agent_store(const launch::RankGoing& going) {
  c10d::TCPStoreOptions options;
  options.port = going.door.port;
  options.numWorkers = static_cast<size_t>(going.size);
  options.timeout = going.timeout;
  return c10::make_intrusive<c10d::PrefixStore>("ingot", c10::make_intrusive<c10d::TCPStore>(going.door.host, options));
}

}  // namespace

std::unique_ptr<Communicator> meet_over_gloo(const MeetingPlace& place) {
  const auto& going = place.going;
  const auto where = fmt::format("{}:{}: rank {} of {} could not meet the others", going.door.host, going.door.port, going.rank, going.size);
  try {
    const bool has_agent = place.is_served_by_torchrun;
    auto store = has_agent ? agent_store(going) : c10::intrusive_ptr<c10d::Store>(c10::make_intrusive<MeetingStore>(going));
    auto options = c10d::ProcessGroupGloo::Options::create(going.timeout);
    options->devices.push_back(own_device(place));
    auto group = new_group(store, going.rank, going.size, options);
    return std::make_unique<Gloo>(std::move(store), std::move(group));
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("{}: {}", where, error.what()));
  } catch (const std::exception& error) {
    throw CommError(fmt::format("{}: {}", where, first_line(error.what())));
  }
}

}  // namespace ingot::parallel
