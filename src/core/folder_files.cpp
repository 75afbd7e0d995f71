#include "core/folder_files.h"

#include <fmt/format.h>

#include "core/error.h"

namespace ingot {

bool FolderFiles::has(const std::string& name) const {
  std::error_code error;
  return open_.contains(name) || std::filesystem::exists(folder_ / name, error);
}

NamedText FolderFiles::text(const std::string& name, size_t max_bytes) const {
  auto found = open_.find(name);
  if (found == open_.end()) found = open_.emplace(name, std::make_unique<const MappedFile>(folder_ / name)).first;
  const MappedFile& file = *found->second;
  const auto bytes = file.bytes();
  if (bytes.size() > max_bytes)
    throw DataError(fmt::format("{}: found {} bytes, wanted at most {}", file.path().string(), bytes.size(), max_bytes));
  return {{reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file.path().string()};
}

Json FolderFiles::json(const std::string& name, size_t max_bytes) const {
  const auto [text, source] = this->text(name, max_bytes);
  return parse_json(text, source);
}

}  // namespace ingot
