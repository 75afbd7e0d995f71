#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace ingot::data {

enum class FileFormat { kParquet, kArrow, kJsonLines, kJson, kCsv, kTsv, kText };
enum class Compression { kNone, kGzip, kZstd, kBzip2, kXz, kLz4 };

/// What a file is by the endings of its name, in any case: .jsonl.gz is JSON lines behind gzip.
struct FileKind {
  FileFormat format;
  Compression compression;
};

/// Nothing when the ending is not one that Ingot reads. A file without an ending of its own (part-00000, part-00000.gz) is
/// what its first bytes tell: Parquet, Arrow, JSON lines or a JSON array; else text when its name begins with "part-".
std::optional<FileKind> file_kind(const std::filesystem::path& file);

/// The kind of a file to open. Throws DataError naming the file when its ending is unknown, or when it is a compressed
/// Parquet or Arrow file, which cannot be read from many places at once.
FileKind require_file_kind(const std::filesystem::path& file);

/// The endings that file_kind knows, for messages.
std::string known_endings();

}  // namespace ingot::data
