#include "core/take_lease.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"

namespace ingot {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPoll = std::chrono::milliseconds(50);
constexpr int kReads = 6;  // of a file that is damaged, or half written

std::optional<LeaseRecord> read_patiently(const fs::path& file) {
  for (int read = 1;; ++read) try {
    return read_lease(file);
  } catch (const DataError&) {
    if (read == kReads) throw;
    std::this_thread::sleep_for(kPoll);
  }
}

/// A second lease, held only to replace a dead one, is not spoken of.
bool is_second(const LeaseTerms& terms) { return terms.file.extension() == ".takeover"; }

void refuse_or_say(const LeaseTerms& terms, const LeaseRecord& found, bool& told) {
  const bool own = found.owner.pid == ::getpid() && liveness_of(found.owner) == Liveness::kAlive;
  if (own || !terms.wait)
    throw ConfigError(fmt::format("{}: another run writes it: {}; when you know that it is dead, delete {}", terms.guarded.string(),
                                  found.holder(), terms.file.string()));
  if (!told && !is_second(terms)) log_info(fmt::format("waiting for another process that writes {}: {}", terms.guarded.string(), found.holder()));
  told = true;
}

std::unique_ptr<OwnLease> wait_for(LeaseTrial trial) {
  std::string watched;  // id of a lease that was spoken of
  for (bool told = false;;) {
    if (auto own = trial.attempt()) return own;
    if (trial.watched() && trial.watched()->id != watched) {
      watched = trial.watched()->id;
      log_info(fmt::format("{}: held by {}, which cannot be seen from here: its heartbeat is watched for {}", trial.terms().file.string(),
                           trial.watched()->holder(), std::chrono::duration_cast<std::chrono::seconds>(trial.terms().silence)));
    }
    if (trial.holder()) refuse_or_say(trial.terms(), *trial.holder(), told);
    if (stop_requested())
      throw Error(kExitTerminated, fmt::format("{}: stopped while another process writes it", trial.terms().guarded.string()));
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace

std::unique_ptr<OwnLease> LeaseTrial::attempt() {
  holder_.reset();
  const auto found = read_patiently(terms_.file);
  if (!found) {
    auto own = std::make_unique<OwnLease>(terms_.file);
    return own->create() ? std::move(own) : nullptr;
  }
  const Verdict verdict = judge(*found);
  if (verdict == Verdict::kDead) return take_over(*found);
  if (verdict == Verdict::kAlive) holder_ = found;
  return nullptr;
}

LeaseTrial::Verdict LeaseTrial::judge(const LeaseRecord& found) {
  const Liveness liveness = liveness_of(found.owner);
  if (liveness != Liveness::kUnseen) return liveness == Liveness::kDead ? Verdict::kDead : Verdict::kAlive;
  const bool watched = watched_ && watched_->id == found.id;
  if (watched && watched_->heartbeat == found.heartbeat)
    return Clock::now() - since_ >= terms_.silence ? Verdict::kDead : Verdict::kWatched;
  watched_ = found;
  since_ = Clock::now();
  return watched ? Verdict::kAlive : Verdict::kWatched;
}

/// Only the holder of a second lease replaces a dead one, so that of several processes one does. Nothing when the dead one
/// is no longer there.
std::unique_ptr<OwnLease> LeaseTrial::take_over(const LeaseRecord& dead) {
  LeaseTerms second = terms_;
  second.file += ".takeover";
  second.wait = true;
  const auto claim = wait_for(LeaseTrial(second));
  const auto found = read_lease(terms_.file);
  if (!found || found->id != dead.id || found->heartbeat != dead.heartbeat) return nullptr;
  auto own = std::make_unique<OwnLease>(terms_.file);
  if (!own->replace()) return nullptr;
  if (!is_second(terms_)) log_info(fmt::format("{}: taken over from {}, which {}", terms_.file.string(), dead.holder(),
                       liveness_of(dead.owner) == Liveness::kDead ? "is dead" : "has gone silent"));
  return own;
}

std::unique_ptr<OwnLease> take_lease(const LeaseTerms& terms) {
  auto own = wait_for(LeaseTrial(terms));
  remove_lease_remains(terms.file);
  return own;
}

}  // namespace ingot
