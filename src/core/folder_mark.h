#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>

namespace ingot {

/// What the file `.ingot` in a folder says: that Ingot made it, as what, and, of one that is replaced as a whole, its files as seen
/// from it.
struct FolderMark {
  static constexpr const char* kFile = ".ingot";
  std::string kind;
  std::set<std::string> files;
};

/// Nothing where there is no mark, or none of ours.
std::optional<FolderMark> read_mark(const std::filesystem::path& folder);

void write_mark(const std::filesystem::path& folder, const FolderMark& mark);

}  // namespace ingot
