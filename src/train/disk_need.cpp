#include "train/disk_need.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "core/error.h"
#include "core/progress.h"

namespace ingot::train {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMoments = 8, kMaster = 4;  // bytes a parameter

std::string shown(uint64_t bytes) { return format_count(static_cast<double>(bytes), "B"); }

/// Checkpoints at one time; where the steps are not known, no more than the limit.
uint64_t checkpoints_of(const RunSizes& sizes) {
  const int64_t saves = !sizes.max_steps             ? std::max<int64_t>(1, sizes.save_total_limit)
                        : sizes.save_steps > 0       ? (*sizes.max_steps - 1) / sizes.save_steps + 1
                                                     : 1;
  return static_cast<uint64_t>(sizes.save_total_limit > 0 ? std::min(saves, sizes.save_total_limit + 1) : saves);
}

/// What may not be looked at is left to who reads it.
uint64_t bytes_in(const fs::path& folder) {
  std::error_code error, of_entry;
  uint64_t bytes = 0;
  const auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator entry(folder, options, error), end; !error && entry != end; entry.increment(error))
    if (entry->is_regular_file(of_entry)) bytes += entry->file_size(of_entry);
  return bytes;
}

/// The folder itself, or the first one above it that is there.
fs::path existing(fs::path folder) {
  std::error_code error;
  while (!fs::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

}  // namespace

DiskNeed disk_need(const RunSizes& sizes) {
  const uint64_t masters = sizes.value_bytes < 4 ? kMaster : 0;
  return {.checkpoint = sizes.trainable * (sizes.value_bytes + masters + kMoments),
          .num_checkpoints = checkpoints_of(sizes),
          .exported = sizes.export_bytes + (sizes.lora ? 4 * sizes.trainable : 0)};
}

void check_disk(const fs::path& output_dir, const DiskNeed& need) {
  std::error_code error;
  const auto space = fs::space(existing(fs::absolute(output_dir)), error);
  const uint64_t there = std::min(bytes_in(output_dir / "checkpoints"), need.checkpoint * need.num_checkpoints);
  if (error || space.capacity == 0 || need.total() - there <= space.available) return;
  throw CommError(fmt::format("output_dir: {}: found {} free on its disk, wanted {} of space: {} checkpoints of {} and {} of export{}",
                              output_dir.string(), shown(space.available), shown(need.total() - there), need.num_checkpoints,
                              shown(need.checkpoint), shown(need.exported),
                              there > 0 ? fmt::format(", {} of them there already", shown(there)) : ""));
}

}  // namespace ingot::train
