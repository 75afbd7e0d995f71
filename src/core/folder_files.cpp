#include "core/folder_files.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/is_there.h"

namespace ingot {

bool FolderFiles::has(const std::string& name) const {
  return open_.contains(name) || is_there(folder_ / name);
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
