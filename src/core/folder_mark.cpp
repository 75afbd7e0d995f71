#include "core/folder_mark.h"

#include "core/file.h"
#include "core/json.h"

namespace ingot {
namespace fs = std::filesystem;
namespace {

constexpr const char* kMaker = "ingot";
constexpr size_t kLongestMark = size_t{16} << 20;

}  // namespace

std::optional<FolderMark> read_mark(const fs::path& folder) try {
  const fs::path file = folder / FolderMark::kFile;
  if (!fs::is_regular_file(fs::symlink_status(file))) return std::nullopt;
  const Json mark = read_json(file, kLongestMark);
  if (mark.at("made_by") != kMaker) return std::nullopt;
  return FolderMark{mark.at("kind").get<std::string>(), mark.at("files").get<std::set<std::string>>()};
} catch (const std::exception&) {
  return std::nullopt;
}

void write_mark(const fs::path& folder, const FolderMark& mark) {
  const Json document{{"made_by", kMaker}, {"kind", mark.kind}, {"files", mark.files}};
  write_file(folder / FolderMark::kFile, document.dump(1) + "\n");
}

}  // namespace ingot
