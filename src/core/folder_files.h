#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/file.h"
#include "core/json.h"

namespace ingot {

/// A file's text and the path that stands for it in messages.
struct NamedText {
  std::string_view text;
  std::string source;
};

/// The files of a folder, each opened once, when it is first asked for, and kept mapped. For one thread at a time. A path
/// converts to it where one reader alone reads a folder.
class FolderFiles {
 public:
  FolderFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}
  const std::filesystem::path& path() const { return folder_; }
  /// Throws as is_there does.
  bool has(const std::string& name) const;
  /// Valid as long as this object. Throws DataError as MappedFile does, and for more than `max_bytes`.
  NamedText text(const std::string& name, size_t max_bytes = size_t{1} << 30) const;
  /// Throws DataError as read_json does.
  Json json(const std::string& name, size_t max_bytes = size_t{256} << 20) const;

 private:
  std::filesystem::path folder_;
  mutable std::map<std::string, std::unique_ptr<const MappedFile>> open_;
};

}  // namespace ingot
