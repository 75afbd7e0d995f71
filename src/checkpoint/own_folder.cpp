#include "checkpoint/own_folder.h"

#include <fmt/format.h>

#include <regex>
#include <string>
#include <string_view>

#include "checkpoint/checkpoint_name.h"
#include "checkpoint/manifest.h"
#include "core/error.h"
#include "core/staging.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

bool is_shard_name(const std::string& name) {
  static const std::regex form("state(-[0-9]{5,})?-[0-9]{5,}-of-[0-9]{5,}\\.safetensors");
  return std::regex_match(name, form);
}

/// Of a file that was half written when its writer was killed, the name that it was to have.
std::string whole_name(const std::string& name) {
  constexpr std::string_view kEnd = ".partial";
  return name.starts_with('.') && name.ends_with(kEnd) ? name.substr(1, name.size() - 1 - kEnd.size()) : name;
}

}  // namespace

bool is_own_checkpoint(const fs::path& folder) {
  std::error_code error;
  const fs::directory_iterator entries(folder, error);
  if (error || begin(entries) == end(entries)) return false;
  const auto [is_foreign, files] = outline_of_manifest(folder / kManifestFile);
  if (is_foreign) return false;
  for (const auto& entry : entries) {
    const std::string name = whole_name(entry.path().filename().string());
    if (!entry.is_regular_file(error)) return false;
    if (name != kManifestFile && !(files ? files->contains(name) : is_shard_name(name))) return false;
  }
  return true;
}

bool is_own_staging(const fs::path& entry) {
  const std::string name = entry.filename().string();
  const auto is_step = [](const std::string& label) { return step_of_name(label).has_value(); };
  return is_staging(name, is_step) || name == fmt::format(".{}.partial", kTrackerFile);
}

void check_not_foreign(const fs::path& checkpoint) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(checkpoint, error))) return;
  const bool is_empty = fs::is_empty(checkpoint, error);
  if (error) throw ConfigError(fmt::format("{}: cannot be read: {}", checkpoint.string(), error.message()));
  if ((is_empty && fs::is_directory(checkpoint, error)) || is_own_checkpoint(checkpoint)) return;
  throw ConfigError(fmt::format("{}: has the name of a checkpoint and is none of Ingot's, or holds foreign files: move it away, or name "
                                "another output_dir", checkpoint.string()));
}

void check_no_foreign_checkpoint(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (step_of_name(entry.path().filename().string())) check_not_foreign(entry.path());
}

}  // namespace ingot::checkpoint
