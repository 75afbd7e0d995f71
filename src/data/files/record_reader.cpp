#include "data/files/record_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "data/files/arrow_text.h"
#include "data/files/byte_window.h"
#include "data/files/csv_reader.h"
#include "data/files/file_format.h"
#include "data/files/json_reader.h"
#include "data/files/text_batch.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

/// One document: the whole file.
class PlainTextReader : public TextReader {
 public:
  explicit PlainTextReader(ByteWindow window) : window_(std::move(window)) {}

  bool next(std::vector<TextRecord>& batch) override {
    TextBatch filled(batch);
    if (done_) return false;
    while (window_.grow()) {
    }
    if (window_.full()) filled.add_problem(1, kTooLong);
    else filled.add_text(1, window_.view());
    return done_ = true;
  }
  uint64_t bytes_read() const override { return window_.bytes_read(); }

 private:
  ByteWindow window_;
  bool done_ = false;
};

/// Files that the `datasets` library and Ingot put beside data, with a data file's ending.
bool is_beside_data(const std::string& name) {
  static const std::set<std::string> kNames{"dataset_info.json", "dataset_infos.json", "dataset_dict.json",
                                            "state.json"};
  return kNames.contains(name) || name.ends_with(".ledger.json");
}

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

void collect(const fs::path& folder, std::vector<fs::path>& files) {
  std::error_code error;
  fs::recursive_directory_iterator entries(folder, error), end;
  for (; !error && entries != end; entries.increment(error)) {
    const fs::path& path = entries->path();
    std::error_code ignored;
    if (is_hidden(path)) entries.disable_recursion_pending();
    else if (entries->is_regular_file(ignored) && file_kind(path) && !is_beside_data(path.filename().string()))
      files.push_back(path);
  }
  if (error) throw DataError(fmt::format("{}: cannot be listed: {}", folder.string(), error.message()));
}

}  // namespace

std::unique_ptr<TextReader> open_text_reader(const fs::path& file, const std::string& column) {
  const FileKind kind = require_file_kind(file);
  if (kind.format == FileFormat::kParquet) return open_parquet_text(file, column);
  if (kind.format == FileFormat::kArrow) return open_ipc_text(file, column);
  ByteWindow window(open_byte_source(file, kind.compression), file.string());
  switch (kind.format) {
    case FileFormat::kJsonLines: return open_json_reader(json_lines(std::move(window)), column);
    case FileFormat::kJson: return open_json_reader(json_elements(std::move(window)), column);
    case FileFormat::kCsv: return open_csv_reader(CsvRows(std::move(window), ','), column);
    case FileFormat::kTsv: return open_csv_reader(CsvRows(std::move(window), '\t'), column);
    default: return std::make_unique<PlainTextReader>(std::move(window));
  }
}

std::vector<fs::path> list_data_files(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) throw DataError(fmt::format("{}: no such file or folder", path.string()));
  if (!fs::is_directory(status)) {
    require_file_kind(path);
    return {path};
  }
  std::vector<fs::path> files;
  collect(path, files);
  if (files.empty())
    throw DataError(fmt::format("{}: no data file in this folder, wanted one of {}", path.string(), known_endings()));
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace ingot::data
