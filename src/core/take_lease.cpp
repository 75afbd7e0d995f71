#include "core/take_lease.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <optional>

#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"

namespace ingot {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPoll = std::chrono::milliseconds(50);
constexpr int kReads = 6;  // of a file that is damaged, or half written

enum class Verdict { kDead, kAlive, kWatched };

std::optional<LeaseRecord> read_patiently(const fs::path& file) {
  for (int read = 1;; ++read) try {
    return read_lease(file);
  } catch (const DataError&) {
    if (read == kReads) throw;
    std::this_thread::sleep_for(kPoll);
  }
}

class Taking {
 public:
  /// A second lease, held only to replace a dead one, is not spoken of.
  explicit Taking(const LeaseTerms& terms, bool is_second = false) : terms_(terms), is_second_(is_second) {}

  std::unique_ptr<OwnLease> run() {
    for (;;) {
      const auto found = read_patiently(terms_.file);
      if (!found) {
        auto own = std::make_unique<OwnLease>(terms_.file);
        if (own->create()) return own;
        continue;
      }
      const Verdict verdict = judge(*found);
      if (verdict == Verdict::kDead) {
        if (auto own = take_over(*found)) return own;
        continue;
      }
      if (verdict == Verdict::kAlive) refuse_or_say(*found);
      if (stop_requested())
        throw Error(kExitTerminated, fmt::format("{}: stopped while another process writes it", terms_.guarded.string()));
      std::this_thread::sleep_for(kPoll);
    }
  }

 private:
  Verdict judge(const LeaseRecord& found) {
    const Liveness liveness = liveness_of(found.owner);
    if (liveness != Liveness::kUnseen) return liveness == Liveness::kDead ? Verdict::kDead : Verdict::kAlive;
    const bool watched = watched_ && watched_->id == found.id;
    if (watched && watched_->heartbeat == found.heartbeat)
      return Clock::now() - since_ >= terms_.silence ? Verdict::kDead : Verdict::kWatched;
    if (!watched)
      log_info(fmt::format("{}: held by {}, which cannot be seen from here: its heartbeat is watched for {}", terms_.file.string(),
                           found.holder(), std::chrono::duration_cast<std::chrono::seconds>(terms_.silence)));
    watched_ = found;
    since_ = Clock::now();
    return watched ? Verdict::kAlive : Verdict::kWatched;
  }

  void refuse_or_say(const LeaseRecord& found) {
    const bool own = found.owner.pid == ::getpid() && liveness_of(found.owner) == Liveness::kAlive;
    if (own || !terms_.wait)
      throw ConfigError(fmt::format("{}: another run writes it: {}; when you know that it is dead, delete {}", terms_.guarded.string(),
                                    found.holder(), terms_.file.string()));
    if (!told_ && !is_second_) log_info(fmt::format("waiting for another process that writes {}: {}", terms_.guarded.string(), found.holder()));
    told_ = true;
  }

  /// Only the holder of a second lease replaces a dead one, so that of several processes one does. Nothing when the dead one
  /// is no longer there.
  std::unique_ptr<OwnLease> take_over(const LeaseRecord& dead) {
    LeaseTerms terms = terms_;
    terms.file += ".takeover";
    terms.wait = true;
    const auto claim = Taking(terms, true).run();
    const auto found = read_lease(terms_.file);
    if (!found || found->id != dead.id || found->heartbeat != dead.heartbeat) return nullptr;
    auto own = std::make_unique<OwnLease>(terms_.file);
    if (!own->replace()) return nullptr;
    if (!is_second_) log_info(fmt::format("{}: taken over from {}, which {}", terms_.file.string(), dead.holder(),
                         liveness_of(dead.owner) == Liveness::kDead ? "is dead" : "has gone silent"));
    return own;
  }

  const LeaseTerms& terms_;
  bool is_second_;
  std::optional<LeaseRecord> watched_;
  Clock::time_point since_;
  bool told_ = false;
};

}  // namespace

std::unique_ptr<OwnLease> take_lease(const LeaseTerms& terms) {
  auto own = Taking(terms).run();
  remove_lease_remains(terms.file);
  return own;
}

}  // namespace ingot
