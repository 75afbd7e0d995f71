#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ingot::parallel {

/// A call that has begun. What it reads and writes is the call's own until wait() has returned; what it sends stays alive.
struct Begun {
  std::function<void()> wait;
  std::function<bool()> is_done;  // whether wait() has nothing to wait for
  /// Has its argument called when the call has ended, from any thread. Null where the call is made in wait().
  std::function<void(std::function<void()>)> when_done = {};
};

/// Some ranks of a job that exchange tensors. All of them make the same calls in the same order, with contiguous tensors of the same
/// shapes; a call returns when its result is there. Throws CommError, naming the call, when a rank is gone or says nothing for longer
/// than the group waits.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int64_t rank() const = 0;  // within the group, from 0
  virtual int64_t size() const = 0;
  /// `tensor` becomes the sum over all ranks, the same bits on each; in which order is the implementation's (tree_reduce.h has a fixed one).
  virtual void all_reduce(at::Tensor tensor) = 0;
  /// `part` [n, ...] becomes this rank's part of the sum of every rank's `whole` [size * n, ...].
  virtual void reduce_scatter(at::Tensor part, const at::Tensor& whole) = 0;
  /// `whole` [size * n, ...] becomes the ranks' parts [n, ...], one after another.
  virtual void all_gather(at::Tensor whole, const at::Tensor& part) = 0;
  /// The same calls, begun. All ranks begin them in one order and wait for them in that order. Other calls of the group may wait until they have
  /// ended. A group that does nothing by itself makes the call when it is waited for; that is the default.
  virtual Begun begin_all_reduce(at::Tensor tensor);
  virtual Begun begin_reduce_scatter(at::Tensor part, const at::Tensor& whole);
  virtual Begun begin_all_gather(at::Tensor whole, const at::Tensor& part);
  /// The first in_rows[0] rows of `in` go to rank 0, the next in_rows[1] to rank 1 ...; `out` becomes the rows from rank 0, rank 1 ...,
  /// of which there are out_rows[i].
  virtual void all_to_all(at::Tensor out, const std::vector<int64_t>& out_rows, const at::Tensor& in, const std::vector<int64_t>& in_rows) = 0;
  /// Two ranks meet: one sends, the other receives. Threads of a rank that do so at one time keep their messages apart by the tag.
  virtual void send(const at::Tensor& tensor, int64_t to, int64_t tag = 0) = 0;
  virtual void receive(at::Tensor tensor, int64_t from, int64_t tag = 0) = 0;
  /// Begins to send and does not wait for the other: what it returns does, and keeps the tensor, which must not be changed until then.
  virtual std::function<void()> begin_send(const at::Tensor& tensor, int64_t to, int64_t tag = 0) = 0;
  /// Both at once with one other rank.
  struct Tags { int64_t sent = 0, received = 0; };
  virtual void exchange(const at::Tensor& sent, at::Tensor received, int64_t with, Tags tags) = 0;
  void exchange(const at::Tensor& sent, at::Tensor received, int64_t with) { exchange(sent, std::move(received), with, Tags()); }
  /// Waits for every rank, however long it lives. `reason` stands in the message when one does not come.
  virtual void barrier(const std::string& reason) = 0;
  /// The ranks that name one colour become a group of their own, in the order of their ranks. All call it.
  std::unique_ptr<Communicator> split(int64_t colour) { return split(colour, false); }
  /// With `is_patient` its calls wait as long as the other ranks live, where they are of other processes.
  virtual std::unique_ptr<Communicator> split(int64_t colour, bool is_patient) = 0;
  /// Calls of this rank's threads, those under way too, throw from now on.
  virtual void abandon() = 0;
};

/// The group of one rank: nothing is sent.
Communicator& only_rank();

/// Every one of `processes` calls this: it runs `body` on `threads` threads, each a rank of one group over all threads of all processes, those of
/// process 0 first, and returns when its own have ended. Sums over a power of two ranks are made in the tree of ops/tree_sum.h, over others
/// in order: so the bits do not depend on which ranks are threads of one process. When one throws, the others' calls throw CommError, and the
/// first exception is thrown on.
void host_ranks(Communicator& processes, int64_t threads, const std::function<void(Communicator&)>& body);

/// The same in this process alone.
void run_ranks(int64_t size, const std::function<void(Communicator&)>& body);

}  // namespace ingot::parallel
