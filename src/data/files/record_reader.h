#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/files/column_counts.h"
#include "data/files/file_part.h"

namespace ingot::data {

/// One text of a raw file, or the reason why there is none.
struct TextRecord {
  uint64_t row = 0;      // 1-based line of a JSONL, CSV or text file; 1-based row of the others
  std::string text;      // UTF-8; empty when `problem` is set
  std::string problem;   // empty when sound; else the reason for the ledger, such as "column is null"
};

/// How many of the objects of a part of a JSON file have the column that is asked for.
struct ColumnFound {
  uint64_t present = 0, missing = 0;
  std::vector<std::string> keys;  // of the first one that lacks it
};

/// Throws the DataError of a file whose objects all lack it.
void expect_column(const std::string& file, const std::string& column, const ColumnFound& found);

/// Streams the text column of one file in bounded memory.
class TextReader {
 public:
  virtual ~TextReader() = default;
  /// Replaces `batch` by the next records, at most a few MiB of them; false at the end.
  /// Throws DataError naming file and row when the file itself is damaged.
  virtual bool next(std::vector<TextRecord>& batch) = 0;
  /// Bytes of the (compressed) file consumed, for progress.
  virtual uint64_t bytes_read() const = 0;
  /// Of formats that are cut (file_part.h): lines or rows read so far, blank ones too, as TextRecord::row counts them.
  virtual uint64_t rows_read() const { return 0; }
  virtual ColumnFound found() const { return {}; }
  /// Columns beside the text's that hold something, in records read so far that have a text; of Parquet and Arrow, whose
  /// other columns are not read, every row counts.
  virtual ColumnCounts unused() const { return {}; }
};

/// Opens .parquet, .arrow/.feather/.ipc, .jsonl/.ndjson, .json (an array of objects), .csv/.tsv or .txt, plain or
/// packed (file_format.h). A .txt file is one document a file. Throws DataError naming the file, and the columns
/// present when `column` is missing; of a part of JSON lines that is left to who knows the other parts (found()).
std::unique_ptr<TextReader> open_text_reader(const FilePart& part, const std::string& column);

/// What a data set's path holds.
struct DataFiles {
  std::vector<std::filesystem::path> files;        // to read, sorted by name
  std::vector<std::filesystem::path> passed_over;  // of a folder: what is no data file, sorted by name
};

/// The file itself, or those of a folder, also behind links to folders; a folder that is met again on its own way down is
/// not entered. Throws DataError when there is nothing to read.
DataFiles find_data_files(const std::filesystem::path& path);

/// Says in one line what of a folder is passed over.
void report_passed_over(const std::filesystem::path& path, const DataFiles& found);

/// The files to read alone; what is passed over is said.
std::vector<std::filesystem::path> list_data_files(const std::filesystem::path& path);

}  // namespace ingot::data
