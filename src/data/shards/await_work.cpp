#include "data/shards/await_work.h"

#include <fmt/format.h>

#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPoll = std::chrono::milliseconds(50);
constexpr auto kPatience = std::chrono::minutes(10);
constexpr auto kDifference = std::chrono::seconds(3);  // where another job has the folder, rank 0 is refused first, and says so

/// Nothing where there is none, or none that can be read yet.
std::optional<Json> read_object(const fs::path& file) try {
  Json found = read_json(file);
  return found.is_object() ? std::optional(std::move(found)) : std::nullopt;
} catch (const DataError&) {
  return {};
}

Json without_digests(Json work) {
  if (work.is_object() && work.contains("inputs"))
    for (auto& input : work["inputs"]) input.erase("xxh3");
  return work;
}

/// What rank 0 has announced, or its ledger says, against what this rank was asked to do.
class Waiting {
 public:
  Waiting(BlockWork work, JobRank rank) : work_(std::move(work)), rank_(rank), wanted_(without_digests(work_.announcement()["work"])) {}

  std::optional<BlockWork> run() {
    for (Clock::time_point sign = Clock::now();; std::this_thread::sleep_for(kPoll)) {
      end_if_stopped("waiting for rank 0 to prepare data, nothing is lost");
      const auto lease = read_lease(output_lease(work_.prefix));
      if (const auto announced = read_object(work_.folder() / "work.json"))
        if (is_mine(*announced, lease)) return work_;
      if (!is_alive(lease) && stands()) return {};
      if (is_new_sign(lease)) sign = Clock::now();
      if (Clock::now() - sign > kPatience)
        throw CommError(fmt::format("{}: rank {} of {} has waited {} minutes for rank 0 to prepare it", work_.prefix.string(), rank_.rank,
                                    rank_.size, kPatience.count()));
    }
  }

 private:
  static bool is_alive(const std::optional<LeaseRecord>& lease) { return lease && liveness_of(lease->owner) != Liveness::kDead; }

  bool is_new_sign(const std::optional<LeaseRecord>& lease) {
    const std::string sign = lease ? lease->id + lease->heartbeat : "";
    if (sign == sign_) return false;
    has_beaten_ = lease && sign_.starts_with(lease->id);
    sign_ = sign;
    return true;
  }

  /// The announcement of an earlier job, whose lease is dead or another, is passed over. Of this one's, whose rank 0 is seen alive,
  /// it says what differs.
  bool is_mine(const Json& announced, const std::optional<LeaseRecord>& lease) {
    if (!is_alive(lease) || announced.value("lease", "") != lease->id) {
      differs_since_.reset();
      return false;
    }
    BlockWork found{work_.prefix, announced.value("work", Json()), work_.blocks, lease->id};
    Json mine = found.announcement();
    mine["lease"] = announced.value("lease", Json());
    if (announced == mine && without_digests(found.work) == wanted_) {
      work_ = std::move(found);
      return true;
    }
    const bool is_seen = has_beaten_ || liveness_of(lease->owner) == Liveness::kAlive;
    if (!differs_since_) differs_since_ = Clock::now();
    if (is_seen && Clock::now() - *differs_since_ > kDifference) refuse(found.work);
    return false;
  }

  [[noreturn]] void refuse(const Json& work) const {
    const Json found = without_digests(work);
    std::string names;
    for (const auto& [name, value] : wanted_.items())
      if (!found.is_object() || !found.contains(name) || found[name] != value) names += (names.empty() ? "" : ", ") + name;
    throw ConfigError(fmt::format("{}: rank 0, or another job, makes it of other {} than rank {} would; wanted the same configuration, files "
                                  "and program on every rank", work_.prefix.string(), names.empty() ? "blocks" : names, rank_.rank));
  }

  /// Whether the ledger of the output is of this work; read when it has changed.
  bool stands() {
    std::error_code absent;
    const auto time = fs::last_write_time(ledger_path(work_.prefix), absent);
    if (absent || time == ledger_time_) return false;
    ledger_time_ = time;
    const auto ledger = read_object(ledger_path(work_.prefix));
    return ledger && without_digests(ledger->value("work", Json())) == wanted_;
  }

  BlockWork work_;
  JobRank rank_;
  Json wanted_;
  std::string sign_;
  bool has_beaten_ = false;  // the lease there now, while it was watched
  std::optional<Clock::time_point> differs_since_;
  std::optional<fs::file_time_type> ledger_time_;
};

}  // namespace

InputFiles listed_files(const std::vector<fs::path>& inputs) {
  InputFiles found;
  for (const auto& input : inputs) {
    const DataFiles data = find_data_files(input);
    for (const auto& file : data.files) found.files.push_back({fs::absolute(file).lexically_normal(), fs::file_size(file), {}});
    found.files_of_sets.push_back(data.files.size());
    for (const auto& path : data.passed_over) found.passed_over.push_back(path.string());
  }
  return found;
}

std::optional<BlockWork> await_work(BlockWork work, JobRank rank) {
  if (work.blocks.size() < 2) return {};
  return Waiting(std::move(work), rank).run();
}

}  // namespace ingot::data
