#pragma once

#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

namespace ingot::data {

/// A part of a data file that is read by itself: of JSON lines the lines that begin at bytes [begin, end), of Parquet the row groups
/// [begin, end). A path converts to the whole file, which any other format is always read as.
struct FilePart {
  static constexpr uint64_t kToTheEnd = ~uint64_t{0};
  FilePart(std::filesystem::path path, uint64_t from = 0, uint64_t to = kToTheEnd) : file(std::move(path)), begin(from), end(to) {}
  bool is_whole() const { return begin == 0 && end == kToTheEnd; }
  std::filesystem::path file;
  uint64_t begin, end;
};

/// Where a file is cut; `bytes` are those of the file that the part stands for.
struct FileCut {
  uint64_t begin = 0, end = FilePart::kToTheEnd, bytes = 0;
};

/// A file of `bytes` bytes in parts of about `size`, in order, the last one up to kToTheEnd. Depends on the file alone. Cut are plain JSON
/// lines in UTF-8, and Parquet between its row groups; what else there is, compressed files too, is one part.
std::vector<FileCut> cut_file(const std::filesystem::path& file, uint64_t bytes, uint64_t size);

/// Rows of the file before a part, as the part's reader counts them from 1 again.
uint64_t rows_before(const FilePart& part);

}  // namespace ingot::data
