#include "launch/rank_group.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <thread>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/stop.h"

namespace ingot::launch {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kGlanceMs = 50;  // between two looks at the ranks
constexpr std::chrono::milliseconds kToAnswer{1000};  // that a silent rank has to say what its threads do

std::string ending(int code) {
  if (code > 128 && code != kExitTerminated) return fmt::format("was killed by signal {}", code - 128);
  return fmt::format("ended with exit code {}", code);
}

std::string log_name(const LocalRanks& settings, int64_t rank) {
  return settings.log_suffix.empty() ? fmt::format("rank_{}.log", rank) : fmt::format("rank_{}.{}.log", rank, settings.log_suffix);
}

}  // namespace

RankGroup::RankGroup(const LocalRanks& settings) : settings_(settings) {
  make_folder(settings.log_folder);
  for (int64_t i = 0; i < settings.count; ++i) {
    const int64_t rank = settings.first_rank + i;
    ranks_.push_back(std::make_unique<RankProcess>(rank, settings.command, variables_of(rank, i), settings.log_folder / log_name(settings, rank)));
  }
}

bool RankGroup::watch() {
  const bool goes_on = listen();
  pass_on_stop();
  for (const auto& rank : ranks_) rank->look();
  kill_silent_ones();
  note_failure();
  if (failed_at_ && Clock::now() - *failed_at_ > settings_.grace) kill_the_rest();
  return goes_on;
}

void RankGroup::end_soon(const std::string& why) {
  if (failed_at_) return;
  failed_at_ = Clock::now();
  log_error(fmt::format("{}; the ranks of this host have {} s to end", why, settings_.grace.count()));
}

std::vector<std::pair<std::string, std::string>> RankGroup::variables_of(int64_t rank, int64_t local) const {
  auto variables = settings_.variables;
  const std::pair<const char*, std::string> own[] = {
      {"RANK", std::to_string(rank)}, {"WORLD_SIZE", std::to_string(settings_.num_ranks)}, {"LOCAL_RANK", std::to_string(local)},
      {"LOCAL_WORLD_SIZE", std::to_string(settings_.count)}, {"MASTER_ADDR", settings_.master_addr}};
  variables.insert(variables.end(), std::begin(own), std::end(own));
  if (settings_.master_port != 0) variables.emplace_back("MASTER_PORT", std::to_string(settings_.master_port));
  if (std::getenv("OMP_NUM_THREADS") == nullptr) {  // the cores are shared
    const int64_t cores = std::thread::hardware_concurrency();
    variables.emplace_back("OMP_NUM_THREADS", std::to_string(std::max<int64_t>(1, cores / settings_.count)));
  }
  return variables;
}

/// Reads what the ranks say; false when all have ended and nothing is left to read.
bool RankGroup::listen() {
  std::vector<pollfd> polled;
  std::vector<std::pair<RankProcess*, size_t>> owners;
  bool is_alive = false;
  for (const auto& rank : ranks_) {
    is_alive |= rank->is_running();
    for (size_t output = 0; output < 2; ++output)
      if (rank->outputs()[output] >= 0) {
        polled.push_back({rank->outputs()[output], POLLIN, 0});
        owners.emplace_back(rank.get(), output);
      }
  }
  if (!is_alive && polled.empty()) return false;
  ::poll(polled.data(), polled.size(), kGlanceMs);
  for (size_t i = 0; i < polled.size(); ++i)
    if (polled[i].revents != 0) owners[i].first->read(owners[i].second);
  return true;
}

void RankGroup::pass_on_stop() {
  if (passed_on_ || stop_requested() == 0) return;
  passed_on_ = true;
  for (const auto& rank : ranks_) rank->signal(SIGTERM);
}

/// A rank that another one's end has ended says kExitComm. After a stop that is no failure: the other one has stopped.
bool RankGroup::has_failed(const RankProcess& rank) const {
  const auto code = rank.exit_code();
  return code && *code != kExitOk && *code != kExitTerminated && !(passed_on_ && code == kExitComm);
}

void RankGroup::kill_silent_ones() {
  for (const auto& rank : ranks_) {
    if (rank->silence() <= settings_.silence) {
      asked_.erase(rank.get());
      continue;
    }
    if (asked_.insert(rank.get()).second) rank->signal(SIGUSR1);  // what it is doing, for its log (core/stack_traces.h)
    if (rank->silence() <= settings_.silence + kToAnswer) continue;
    if (silent_ == nullptr) silent_ = rank.get();
    rank->signal(SIGKILL);
  }
}

/// Says of the rank that failed first that it did; of several at once, of one that did so by itself.
void RankGroup::note_failure() {
  if (failed_at_) return;
  RankProcess* failed = nullptr;
  for (const auto& rank : ranks_)
    if (has_failed(*rank) && (failed == nullptr || failed->exit_code() == kExitComm)) failed = rank.get();
  if (failed == nullptr) return;
  failed_at_ = Clock::now();
  has_lost_rank_ = failed->exit_code() != kExitComm;
  for (size_t output = 0; output < 2; ++output)
    if (failed->outputs()[output] >= 0) failed->read(output);
  failure_ = fmt::format("rank {} {}", failed->rank(), failed == silent_ ? fmt::format("has given no sign of life for {} s and was killed", settings_.silence.count())
                                                                         : ending(*failed->exit_code()));
  log_error(fmt::format("{}; the other ranks have {} s to end. Its last words, in {}:\n{}", failure_, settings_.grace.count(), failed->log().string(),
                        failed->last_words()));
  if (settings_.stop_others)
    for (const auto& rank : ranks_) rank->signal(SIGTERM);
}

void RankGroup::kill_the_rest() {
  if (std::exchange(has_killed_, true)) return;
  for (const auto& rank : ranks_) {
    if (!rank->is_running()) continue;
    log_warning(fmt::format("rank {} has not ended by itself and is killed", rank->rank()));
    rank->signal(SIGKILL);
  }
}

bool RankGroup::any_ended_with(int code) const {
  return std::any_of(ranks_.begin(), ranks_.end(), [code](const auto& rank) { return rank->exit_code() == code; });
}

/// What a file or key is to blame for goes before what one rank's end did to the others. After a stop rank 0 tells whether the state is saved.
int RankGroup::exit_code() const {
  for (const int code : {kExitConfig, kExitData})
    if (any_ended_with(code)) return code;
  const bool is_unsaved = ranks_.front()->rank() == 0 && ranks_.front()->exit_code() == kExitComm;
  if (failed_at_ || is_unsaved) return kExitComm;
  if (any_ended_with(kExitTerminated)) return kExitTerminated;
  return any_ended_with(kExitComm) ? kExitComm : kExitOk;
}

int run_local_ranks(const LocalRanks& ranks) {
  RankGroup group(ranks);
  while (group.watch()) {}
  return group.exit_code();
}

}  // namespace ingot::launch
