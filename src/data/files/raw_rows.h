#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <memory>
#include <string>

#include "data/files/file_part.h"

namespace ingot::data {

/// One row of a data file, or the reason why it cannot be had.
struct JsonRow {
  uint64_t row = 0;     // 1-based line of a JSONL or CSV file; 1-based row of the others
  std::string json;     // one sound value on one line
  std::string problem;  // empty when sound
};

/// Rows of a data file as JSON objects, all columns, whatever they hold.
class JsonRowReader {
 public:
  virtual ~JsonRowReader() = default;
  /// Replaces `row` by the next row; false at the end. Throws DataError naming the file when the file itself is damaged.
  virtual bool next(JsonRow& row) = 0;
  /// Bytes of the (compressed) file consumed, for progress.
  virtual uint64_t bytes_read() const = 0;
  /// Of formats that are cut (file_part.h): lines or rows read so far, blank ones too, as JsonRow::row counts them.
  virtual uint64_t rows_read() const { return 0; }
};

/// Opens any file that open_text_reader opens. Parquet and Arrow values are rendered as arrow_json.h says, bytes as texts;
/// CSV gives strings; a text file is one {"text": ...}. Throws DataError where two columns of a table have one name.
std::unique_ptr<JsonRowReader> open_json_row_reader(const FilePart& part);

/// Writes the first `limit` rows, one a line, bytes with \xNN. Throws DataError naming file and row of one that is not sound.
void print_raw_rows(const std::filesystem::path& file, uint64_t limit, std::ostream& out);

}  // namespace ingot::data
