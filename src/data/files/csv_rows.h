#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/files/byte_window.h"

namespace ingot::data {

/// The rows of a CSV or TSV file (RFC 4180): fields may be quoted with ", a quoted field may hold the separator, line
/// ends and "" for one quote. Blank lines are no rows.
class CsvRows {
 public:
  CsvRows(ByteWindow window, char separator) : window_(std::move(window)), separator_(separator) {}
  /// Replaces `fields` by those of the next row; false at the end. Throws DataError when a row is too long or the file
  /// ends inside quotes.
  bool next(std::vector<std::string>& fields);
  /// 1-based line where the row that next() gave last starts.
  uint64_t line() const { return row_line_; }
  /// True when the last row had text behind a closing quote.
  bool has_bad_quote() const { return bad_quote_; }
  uint64_t bytes_read() const { return window_.bytes_read(); }
  const std::string& file() const { return window_.file(); }

 private:
  enum class End { kField, kRow, kFile };
  End read_field(std::string& field);
  void read_quoted(std::string& field);
  End field_end();
  int peek();
  void append_run(std::string& field, const char* stops);

  ByteWindow window_;
  char separator_;
  uint64_t line_ = 1, row_line_ = 0, row_bytes_ = 0;
  bool bad_quote_ = false;
};

}  // namespace ingot::data
