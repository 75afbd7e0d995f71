#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <memory>
#include <string>

namespace ingot::data {

/// Rows of a data file as JSON objects, all columns, whatever they hold.
class JsonRowReader {
 public:
  virtual ~JsonRowReader() = default;
  /// Replaces `row` by the next row's JSON on one line; false at the end. Throws DataError naming the file.
  virtual bool next(std::string& row) = 0;
};

/// Opens any file that open_text_reader opens. Parquet and Arrow values are rendered as arrow_json.h says; a JSON value
/// that is not sound is a DataError naming its row; CSV gives strings; a text file is one {"text": ...}.
std::unique_ptr<JsonRowReader> open_json_row_reader(const std::filesystem::path& file);

/// Writes the first `limit` rows, one a line.
void print_raw_rows(const std::filesystem::path& file, uint64_t limit, std::ostream& out);

}  // namespace ingot::data
