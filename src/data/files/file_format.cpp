#include "data/files/file_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "core/error.h"
#include "core/words.h"
#include "data/files/byte_source.h"
#include "data/files/unicode_source.h"

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

constexpr std::array<std::pair<const char*, Compression>, 7> kPackings{{{".gz", Compression::kGzip},
                                                                       {".gzip", Compression::kGzip},
                                                                       {".zst", Compression::kZstd},
                                                                       {".zstd", Compression::kZstd},
                                                                       {".bz2", Compression::kBzip2},
                                                                       {".xz", Compression::kXz},
                                                                       {".lz4", Compression::kLz4}}};
constexpr size_t kLookedAt = 4096;

std::string lower_extension(const fs::path& file) { return lower_case(file.extension().string()); }

/// The first bytes behind the packing; none of a file that cannot be read.
std::string first_bytes(const fs::path& file, Compression compression) try {
  const auto source = as_utf8(open_byte_source(file, compression));
  std::string bytes(kLookedAt, '\0');
  size_t held = 0;
  for (size_t got = 1; got > 0 && held < bytes.size(); held += got) got = source->read(bytes.data() + held, bytes.size() - held);
  bytes.resize(held);
  return bytes;
} catch (const DataError&) {
  return {};
}

Compression packing_of(std::string_view bytes) {
  if (bytes.starts_with("\x1F\x8B")) return Compression::kGzip;
  if (bytes.starts_with("\x28\xB5\x2F\xFD")) return Compression::kZstd;
  if (bytes.starts_with("BZh")) return Compression::kBzip2;
  if (bytes.starts_with(std::string_view("\xFD" "7zXZ\0", 6))) return Compression::kXz;
  return bytes.starts_with("\x04\x22\x4D\x18") ? Compression::kLz4 : Compression::kNone;
}

std::optional<FileKind> kind_by_content(const fs::path& file, const std::string& name, Compression compression) {
  std::string bytes = first_bytes(file, compression);
  if (compression == Compression::kNone && packing_of(bytes) != Compression::kNone) {
    compression = packing_of(bytes);
    bytes = first_bytes(file, compression);
  }
  if (bytes.starts_with("PAR1")) return FileKind{FileFormat::kParquet, compression};
  if (bytes.starts_with("ARROW1")) return FileKind{FileFormat::kArrow, compression};
  const size_t first = bytes.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (first != bytes.npos && bytes[first] == '{') return FileKind{FileFormat::kJsonLines, compression};
  if (first != bytes.npos && bytes[first] == '[') return FileKind{FileFormat::kJson, compression};
  if (name.starts_with("part-") && first != bytes.npos) return FileKind{FileFormat::kText, compression};
  return std::nullopt;
}

/// Of one that is read from many places at once, and so cannot be packed.
bool is_container(FileFormat format) { return format == FileFormat::kParquet || format == FileFormat::kArrow; }

}  // namespace

std::optional<FileKind> file_kind(const fs::path& file) {
  fs::path inner = file.filename();
  Compression compression = Compression::kNone;
  const std::string outer = lower_extension(inner);
  for (const auto& [known, packed] : kPackings)
    if (outer == known) compression = packed;
  if (compression != Compression::kNone) inner = inner.stem();
  const std::string ending = lower_extension(inner);
  for (const auto& [known, format] : kEndings)
    if (ending == known) return is_container(format) && compression != Compression::kNone ? std::nullopt : std::optional(FileKind{format, compression});
  return ending.empty() ? kind_by_content(file, inner.string(), compression) : std::nullopt;
}

FileKind require_file_kind(const fs::path& file) {
  const auto kind = file_kind(file);
  if (kind) return *kind;
  const std::string inner = lower_extension(file.stem());
  for (const auto& [known, format] : kEndings)
    if (inner == known && is_container(format)) throw DataError(fmt::format("{}: is read from many places at once, unpack it first", file.string()));
  throw DataError(fmt::format("{}: unknown ending, wanted one of {}", file.string(), known_endings()));
}

std::string known_endings() {
  std::string list;
  for (const auto& [known, format] : kEndings) list += std::string(list.empty() ? "" : ", ") + known;
  return list + " (text formats also with .gz, .zst, .bz2, .xz or .lz4 behind)";
}

}  // namespace ingot::data
