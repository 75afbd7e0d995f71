#include "parallel/gloo.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

// Gloo's own headers come from the system and are older than the Gloo inside LibTorch: here they only have to declare what c10d's
// header names, nothing of Gloo is called.
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"

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

  void all_reduce(at::Tensor tensor) override {
    std::vector<at::Tensor> tensors{tensor};
    wait("all-reduce", [&] { return group_->allreduce(tensors); });
  }

  void reduce_scatter(at::Tensor part, const at::Tensor& whole) override {
    at::Tensor in = whole;
    wait("reduce-scatter", [&] { return group_->_reduce_scatter_base(part, in); });
  }

  void all_gather(at::Tensor whole, const at::Tensor& part) override {
    at::Tensor in = part;
    wait("all-gather", [&] { return group_->_allgather_base(whole, in); });
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

  std::unique_ptr<Communicator> split(int64_t colour) override {
    auto colours = at::empty({size()}, at::kLong);
    all_gather(colours, at::full({1}, colour, at::kLong));
    int64_t rank_there = 0, size_there = 0;
    for (int64_t i = 0; i < size(); ++i) {
      if (i == rank()) rank_there = size_there;
      size_there += colours[i].item<int64_t>() == colour;
    }
    if (size_there == 1) return only_rank().split(colour);
    auto store = c10::make_intrusive<c10d::PrefixStore>(fmt::format("split_{}_{}", num_splits_++, colour), store_);
    try {
      return std::make_unique<Gloo>(store, new_group(store, rank_there, size_there, group_->getOptions()));
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
  std::mutex mutex_;
  std::set<Work> messages_;  // under way
  bool is_abandoned_ = false;
};

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Addresses addresses_of(const std::string& host, uint16_t port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) throw CommError(fmt::format("{}: {}", host, ::gai_strerror(error)));
  return {found, ::freeaddrinfo};
}

/// Waits until the host has an address. Says once that it waits.
void expect_address(const MeetingPlace& place) {
  const auto end = std::chrono::steady_clock::now() + place.patience;
  for (bool is_said = false;;) try {
      addresses_of(place.host, place.port);
      return;
    } catch (const CommError& error) {
      if (std::chrono::steady_clock::now() >= end) throw;
      if (!std::exchange(is_said, true)) log_info(fmt::format("{}; trying again for {} s", error.what(), place.patience.count()));
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
}

/// This machine's address on the way to `host`: on it the others can reach this rank. No packet is sent.
std::string address_towards(const std::string& host, uint16_t port) {
  const auto found = addresses_of(host, port);
  char text[NI_MAXHOST] = "";
  sockaddr_storage own{};
  socklen_t size = sizeof(own);
  const int socket = ::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool is_known = ::connect(socket, found->ai_addr, found->ai_addrlen) == 0 && ::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
                        ::getnameinfo(reinterpret_cast<sockaddr*>(&own), size, text, sizeof(text), nullptr, 0, NI_NUMERICHOST) == 0;
  ::close(socket);
  if (!is_known) throw CommError(fmt::format("{}: no way from this machine", host));
  return text;
}

/// A socket of rank 0 that listens at the address of its name alone, and no other of the machine; -1 where that address is not the
/// machine's own, as a service's is not: then the store listens at all of them.
int listen_at(const std::string& host, uint16_t port) {
  const auto found = addresses_of(host, port);
  const int socket = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (::bind(socket, found->ai_addr, found->ai_addrlen) == 0 && ::listen(socket, SOMAXCONN) == 0) return socket;
  const int error = errno;
  ::close(socket);
  if (error == EADDRNOTAVAIL) return -1;
  throw CommError(std::strerror(error));
}

/// The interface that GLOO_SOCKET_IFNAME names, else the one on the way to rank 0.
std::shared_ptr<gloo::transport::Device> own_device(const MeetingPlace& place) {
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME")) return c10d::ProcessGroupGloo::createDeviceForInterface(interface);
  return c10d::ProcessGroupGloo::createDeviceForHostname(address_towards(place.host, place.port));
}

c10::intrusive_ptr<c10d::Store> open_store(const MeetingPlace& place) {
  c10d::TCPStoreOptions options;
  options.port = place.port;
  options.isServer = place.rank == 0 && !place.is_served;
  options.numWorkers = static_cast<size_t>(place.size);
  options.timeout = place.timeout;
  if (options.isServer)
    if (const int listener = place.listener >= 0 ? place.listener : listen_at(place.host, place.port); listener >= 0) options.masterListenFd = listener;
  return c10::make_intrusive<c10d::PrefixStore>("ingot", c10::make_intrusive<c10d::TCPStore>(place.host, options));
}

}  // namespace

std::unique_ptr<Communicator> meet_over_gloo(const MeetingPlace& place) {
  try {
    expect_address(place);
    auto store = open_store(place);
    auto options = c10d::ProcessGroupGloo::Options::create(place.timeout);
    options->devices.push_back(own_device(place));
    auto group = new_group(store, place.rank, place.size, options);
    return std::make_unique<Gloo>(std::move(store), std::move(group));
  } catch (const std::exception& error) {
    throw CommError(fmt::format("{}:{}: rank {} of {} could not meet the others: {}", place.host, place.port, place.rank, place.size,
                                first_line(error.what())));
  }
}

}  // namespace ingot::parallel
