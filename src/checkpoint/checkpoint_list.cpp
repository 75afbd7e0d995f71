#include "checkpoint/checkpoint_list.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <system_error>

#include "checkpoint/checkpoint_name.h"
#include "checkpoint/own_folder.h"
#include "core/file.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;

std::vector<CheckpointInfo> list_checkpoints(const fs::path& folder) {
  std::vector<CheckpointInfo> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (const auto step = step_of_name(entry.path().filename().string()); step && is_own_checkpoint(entry.path()))
      found.push_back({*step, entry.path()});
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
  return found;
}

std::optional<int64_t> tracked_step(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_regular_file(folder / kTrackerFile, error)) return {};
  const std::string text = read_file(folder / kTrackerFile);
  int64_t step = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), step).ec != std::errc()) return {};
  return step;
}

}  // namespace ingot::checkpoint
