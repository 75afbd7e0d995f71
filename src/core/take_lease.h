#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "core/lease.h"

namespace ingot {

/// Looks from time to time whether a lease can be had; remembers what it has seen of an owner that cannot be looked at.
class LeaseTrial {
 public:
  explicit LeaseTrial(LeaseTerms terms) : terms_(std::move(terms)) {}
  /// The lease under its name when it is free or its owner is dead; nothing while another holds it, or takes it in this instant.
  std::unique_ptr<OwnLease> attempt();
  /// Who was found alive at the last attempt.
  const std::optional<LeaseRecord>& holder() const { return holder_; }
  /// Whose heartbeat is watched.
  const std::optional<LeaseRecord>& watched() const { return watched_; }
  const LeaseTerms& terms() const { return terms_; }

 private:
  enum class Verdict { kDead, kAlive, kWatched };
  Verdict judge(const LeaseRecord& found);
  std::unique_ptr<OwnLease> take_over(const LeaseRecord& dead);

  LeaseTerms terms_;
  std::optional<LeaseRecord> holder_, watched_;
  std::chrono::steady_clock::time_point since_;
};

/// The lease under its name. Waits, refuses and takes over as Lease says.
std::unique_ptr<OwnLease> take_lease(const LeaseTerms& terms);

}  // namespace ingot
