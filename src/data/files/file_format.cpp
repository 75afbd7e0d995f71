#include "data/files/file_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "core/error.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::pair<const char*, FileFormat>, 11> kEndings{{{".parquet", FileFormat::kParquet},
                                                                       {".arrow", FileFormat::kArrow},
                                                                       {".feather", FileFormat::kArrow},
                                                                       {".ipc", FileFormat::kArrow},
                                                                       {".jsonl", FileFormat::kJsonLines},
                                                                       {".ndjson", FileFormat::kJsonLines},
                                                                       {".json", FileFormat::kJson},
                                                                       {".csv", FileFormat::kCsv},
                                                                       {".tsv", FileFormat::kTsv},
                                                                       {".txt", FileFormat::kText},
                                                                       {".text", FileFormat::kText}}};

std::string lower_extension(const fs::path& file) {
  std::string ending = file.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending;
}

}  // namespace

std::optional<FileKind> file_kind(const fs::path& file) {
  fs::path inner = file.filename();
  Compression compression = Compression::kNone;
  const std::string outer = lower_extension(inner);
  if (outer == ".gz") compression = Compression::kGzip;
  if (outer == ".zst") compression = Compression::kZstd;
  if (compression != Compression::kNone) inner = inner.stem();
  const std::string ending = lower_extension(inner);
  for (const auto& [known, format] : kEndings)
    if (ending == known) return FileKind{format, compression};
  return std::nullopt;
}

FileKind require_file_kind(const fs::path& file) {
  const auto kind = file_kind(file);
  if (!kind) throw DataError(fmt::format("{}: unknown ending, wanted one of {}", file.string(), known_endings()));
  const bool container = kind->format == FileFormat::kParquet || kind->format == FileFormat::kArrow;
  if (container && kind->compression != Compression::kNone)
    throw DataError(fmt::format("{}: is read from many places at once, unpack it first", file.string()));
  return *kind;
}

std::string known_endings() {
  std::string list;
  for (const auto& [known, format] : kEndings) list += std::string(list.empty() ? "" : ", ") + known;
  return list + " (text formats also with .gz or .zst behind)";
}

}  // namespace ingot::data
