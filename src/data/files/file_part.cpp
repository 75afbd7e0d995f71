#include "data/files/file_part.h"

#include <algorithm>
#include <string>

#include "data/files/byte_source.h"
#include "data/files/file_format.h"
#include "data/files/json_items.h"
#include "data/files/line_source.h"
#include "data/files/parquet_groups.h"
#include "data/files/unicode_source.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

/// Whether its bytes are text as they stand.
bool is_plain(const fs::path& file, Compression compression) {
  if (compression != Compression::kNone) return false;
  std::string start(kEncodingBytes, '\0');
  const auto source = open_byte_source(file, compression);
  size_t held = 0;
  for (size_t got = 1; got > 0 && held < start.size(); held += got) got = source->read(start.data() + held, start.size() - held);
  return !is_wide(start.substr(0, held));
}

std::vector<FileCut> cut_lines(uint64_t bytes, uint64_t size) {
  const uint64_t count = (bytes + size - 1) / size;
  std::vector<FileCut> cuts;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t begin = bytes / count * i, end = i + 1 == count ? bytes : bytes / count * (i + 1);
    cuts.push_back({begin, end, end - begin});
  }
  return cuts;
}

/// Row groups are as large as their writer made them: as many together as stay below `size`, or one.
std::vector<FileCut> cut_groups(const fs::path& file, uint64_t size) {
  std::vector<FileCut> cuts;
  const auto groups = parquet_groups(file);
  for (uint64_t group = 0; group < groups.size(); ++group) {
    if (cuts.empty() || cuts.back().bytes + groups[group].bytes > size) cuts.push_back({group, group, 0});
    cuts.back().end = group + 1;
    cuts.back().bytes += groups[group].bytes;
  }
  return cuts;
}

uint64_t lines_before(const FilePart& part) {
  const auto lines = json_lines(open_line_window({part.file, 0, part.begin}));
  while (lines->next()) {
  }
  return lines->row();
}

uint64_t group_rows_before(const FilePart& part) {
  const auto groups = parquet_groups(part.file);
  uint64_t rows = 0;
  for (uint64_t group = 0; group < std::min<uint64_t>(part.begin, groups.size()); ++group) rows += groups[group].rows;
  return rows;
}

}  // namespace

std::vector<FileCut> cut_file(const fs::path& file, uint64_t bytes, uint64_t size) {
  std::vector<FileCut> cuts;
  if (bytes > size) {
    const FileKind kind = require_file_kind(file);
    if (kind.format == FileFormat::kParquet) cuts = cut_groups(file, size);
    else if (kind.format == FileFormat::kJsonLines && is_plain(file, kind.compression)) cuts = cut_lines(bytes, size);
  }
  if (cuts.size() < 2) return {{0, FilePart::kToTheEnd, bytes}};
  cuts.back().end = FilePart::kToTheEnd;
  return cuts;
}

uint64_t rows_before(const FilePart& part) {
  if (part.begin == 0) return 0;
  return require_file_kind(part.file).format == FileFormat::kParquet ? group_rows_before(part) : lines_before(part);
}

}  // namespace ingot::data
