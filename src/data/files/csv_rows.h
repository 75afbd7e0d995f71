#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/files/byte_window.h"

namespace ingot::data {

/// The rows of a CSV or TSV file (RFC 4180): fields may be quoted with ", a quoted field may hold the separator, line
/// ends and "" for one quote. A line ends in LF, CR LF or CR. Blank lines are no rows.
class CsvRows {
 public:
  CsvRows(ByteWindow window, char separator) : window_(std::move(window)), separator_(separator) {}
  /// The names in the first row. Throws DataError naming one that stands twice, and when that row is not sound.
  std::vector<std::string> read_names();
  /// Replaces `fields` by those of the next row; false at the end.
  bool next(std::vector<std::string>& fields);
  /// What is wrong with the row that next() gave last; empty when it is sound. A row that is too long is passed over.
  const std::string& problem() const { return problem_; }
  /// 1-based line where the row that next() gave last starts.
  uint64_t line() const { return row_line_; }
  uint64_t bytes_read() const { return window_.bytes_read(); }
  const std::string& file() const { return window_.file(); }

 private:
  enum class End { kField, kRow, kFile };
  End read_field(std::string& field);
  void read_quoted(std::string& field);
  End field_end();
  int peek();
  void append_run(std::string& field, std::string_view stops);

  ByteWindow window_;
  char separator_;
  uint64_t line_ = 1, row_line_ = 0, row_bytes_ = 0;
  size_t num_columns_ = 0;
  std::string problem_;
};

}  // namespace ingot::data
