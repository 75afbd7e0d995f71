#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/lease_file.h"

namespace ingot {

struct LeaseTerms {
  std::filesystem::path file;     // the lease
  std::filesystem::path guarded;  // what it is for: every path that begins so
  bool wait = true;               // until it is free; else it is refused
  std::chrono::milliseconds beat{10'000};     // from one heartbeat to the next
  std::chrono::milliseconds silence{60'000};  // watched for so long, an owner that cannot be seen counts as dead
};

/// Lets one process at a time write what it guards, also on a disk that machines share, where locks of the system are not
/// to be trusted: a file {host, machine, boot, namespaces, pid, started, id, heartbeat}, removed by the destructor. Of a killed
/// process it stays, and is taken over, with a line, when its owner is provably dead: no such process on this machine, or the
/// machine was restarted. An owner in another machine or container cannot be looked at: its heartbeat is watched, by this
/// process's own clock, and one that moves is alive. A silent one is taken over; should it have been asleep, it finds its
/// lease gone before it puts anything in place (check_leases), and stops.
/// The constructor throws ConfigError when the lease is held and `wait` is false, DataError naming a file that is no lease,
/// Error(kExitTerminated) when asked to stop while it waits.
class Lease {
 public:
  explicit Lease(const LeaseTerms& terms);
  /// Keeps up one that a trial has got (core/take_lease.h).
  Lease(const LeaseTerms& terms, std::unique_ptr<OwnLease> own);
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  const std::string& id() const { return own_->id(); }
  bool guards(const std::filesystem::path& whole_path) const;
  /// Throws CommError when the file is gone or another's.
  void check() const;

 private:
  void keep_beating(std::chrono::milliseconds period);
  std::filesystem::path file_;
  std::string guarded_;
  std::unique_ptr<OwnLease> own_;
  std::mutex mutex_;
  std::condition_variable ending_changed_;
  bool ending_ = false;
  std::thread beats_;
};

/// To be called before a path is put in place. Throws CommError when this process held a lease on it and has lost it.
void check_leases(const std::filesystem::path& written);

}  // namespace ingot
