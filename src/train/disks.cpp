#include "train/disks.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"
#include "core/process_identity.h"
#include "hub/run_folder.h"
#include "train/ranks_agree.h"

namespace ingot::train {
namespace fs = std::filesystem;
namespace {

constexpr std::chrono::milliseconds kLook{100};  // from one look for a file to the next

/// A file that others look for, of a name that no one has looked for before.
class SightMark {
 public:
  explicit SightMark(fs::path file) : file_(std::move(file)) {
    make_folder(file_.parent_path());
    write_file(file_, "");
  }
  ~SightMark() {
    std::error_code ignored;
    fs::remove(file_, ignored);
  }
  SightMark(const SightMark&) = delete;
  SightMark& operator=(const SightMark&) = delete;

 private:
  fs::path file_;
};

bool is_there(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(file, ignored);
}

/// The first of `ranks` whose mark comes in sight. One that comes late may be before one that is seen at once.
std::optional<int64_t> first_in_sight(const std::vector<int64_t>& ranks, const std::function<fs::path(int64_t)>& mark_of, std::chrono::milliseconds sight) {
  std::optional<int64_t> first;
  const auto end = std::chrono::steady_clock::now() + sight;
  do {
    const auto seen = std::find_if(ranks.begin(), ranks.end(), [&](int64_t rank) { return is_there(mark_of(rank)); });
    if (seen != ranks.end()) first = *seen;
    if (first == ranks.front()) return first;
    std::this_thread::sleep_for(kLook);
  } while (std::chrono::steady_clock::now() < end);
  return first;
}

/// Of each rank, the one that leads its disk.
std::vector<int64_t> find_leaders(parallel::Communicator& world, const fs::path& folder, std::chrono::milliseconds sight) {
  const auto process = this_process();
  const std::string own_place = fmt::format("{} {} {} {} {}", process.host, process.machine, process.boot, process.namespaces, fs::absolute(folder).lexically_normal().string());
  std::string token = fmt::format("{:08x}", std::random_device()());
  const auto mark_of = [&](int64_t rank) { return folder / fmt::format("{}{}-{}", hub::kSightMark, token, rank); };
  std::optional<SightMark> mark;
  if (world.rank() == 0) mark.emplace(mark_of(0));
  token = text_of_first_rank(world, token);
  const bool sees_first = first_in_sight({0}, mark_of, sight).has_value();
  const auto places = texts_of_all(world, sees_first ? "" : own_place);  // of those that do not see rank 0's
  std::vector<int64_t> candidates;                                      // of each place the first
  for (int64_t rank = 0; rank < world.size(); ++rank)
    if (const auto& place = places[static_cast<size_t>(rank)]; !place.empty() && std::find(places.begin(), places.begin() + rank, place) == places.begin() + rank)
      candidates.push_back(rank);
  if (candidates.empty()) return std::vector<int64_t>(places.size(), 0);
  if (std::find(candidates.begin(), candidates.end(), world.rank()) != candidates.end()) mark.emplace(mark_of(world.rank()));
  world.barrier("waiting for all ranks to look for the folder of the run");
  const auto leader = sees_first ? 0 : first_in_sight(candidates, mark_of, sight);
  std::vector<int64_t> leaders;
  for (const auto& text : texts_of_all(world, leader ? std::to_string(*leader) : "-1")) leaders.push_back(std::stoll(text));
  return leaders;
}

void check_leaders(const std::vector<int64_t>& leaders, const fs::path& folder) {
  for (size_t rank = 0; rank < leaders.size(); ++rank)
    if (const int64_t leader = leaders[rank]; leader < 0 || leaders[static_cast<size_t>(leader)] != leader)
      throw ConfigError(fmt::format("output_dir: rank {} does not see what the first rank of its machine writes in {}, wanted a folder that all of a machine see", rank, folder.string()));
}

}  // namespace

Disks::Disks(parallel::Communicator& of, const fs::path& folder, std::chrono::milliseconds sight) : world(&of), own(&of) {
  if (of.size() == 1) return;
  const auto leader_of = find_leaders(of, folder, sight);
  check_leaders(leader_of, folder);
  auto all = leader_of;
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  if (all.size() == 1) return;
  leader = leader_of[static_cast<size_t>(of.rank())];
  count = std::ssize(all), index = std::find(all.begin(), all.end(), leader) - all.begin();
  own_ = of.split(leader, /*is_patient=*/true);
  leaders_ = of.split(leader == of.rank() ? 0 : 1, /*is_patient=*/true);
  own = own_.get();
  if (leads()) leaders = leaders_.get();
  if (leads()) log_info(fmt::format("output_dir: {} lies on {} disks; disk {} is that of {} ranks on {}", folder.string(), count, index, own->size(), this_process().host));
}

}  // namespace ingot::train
