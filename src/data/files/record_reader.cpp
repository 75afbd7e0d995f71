#include "data/files/record_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/failure.h"
#include "core/log.h"
#include "core/printable.h"
#include "data/files/arrow_text.h"
#include "data/files/byte_window.h"
#include "data/files/csv_reader.h"
#include "data/files/file_format.h"
#include "data/files/json_reader.h"
#include "data/files/line_source.h"
#include "data/files/text_batch.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

constexpr size_t kNamesShown = 10;

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

/// What people and programs (Spark, Delta) put beside data without an ending: names that start with a dot or underscore, and texts
/// about the data.
bool is_about_data(const fs::path& path) {
  static const std::set<std::string> kTexts{"README", "LICENSE", "LICENCE", "NOTICE", "CHANGELOG", "AUTHORS", "COPYING"};
  const std::string name = path.filename().string();
  return name.starts_with('.') || (!path.has_extension() && (name.starts_with('_') || kTexts.contains(name)));
}

/// Fills `found` from a folder; `above` holds the real paths of the folders on the way down to it.
void collect(const fs::path& folder, std::set<fs::path> above, DataFiles& found) {
  std::error_code error;
  if (!above.insert(fs::weakly_canonical(folder, error)).second) {
    found.passed_over.push_back(folder);  // a link back up
    return;
  }
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const fs::path& path = entry->path();
    std::error_code ignored;
    const bool is_file = entry->is_regular_file(ignored);
    if (!is_about_data(path) && entry->is_directory(ignored)) collect(path, above, found);
    else if (is_file && !is_about_data(path) && !is_beside_data(path.filename().string()) && file_kind(path)) found.files.push_back(path);
    else found.passed_over.push_back(path);
  }
  if (error) throw_refused(error.value(), fmt::format("{}: cannot be listed: {}", folder.string(), error.message()));
}

/// Of files that links reach a second time the one without a link on its way is read.
void keep_one_of_each(const fs::path& folder, DataFiles& found) {
  std::error_code ignored;
  const fs::path root = fs::weakly_canonical(folder, ignored);
  std::map<fs::path, fs::path> kept;  // by real path
  std::sort(found.files.begin(), found.files.end());
  for (fs::path& file : found.files) {
    const fs::path real = fs::weakly_canonical(file, ignored);
    const auto [first, is_new] = kept.try_emplace(real, file);
    if (is_new) continue;
    if (real == root / file.lexically_relative(folder)) std::swap(first->second, file);
    found.passed_over.push_back(file);
  }
  found.files.clear();
  for (const auto& [real, file] : kept) found.files.push_back(file);
}

std::string names_of(const std::vector<fs::path>& paths, const fs::path& folder) {
  std::string names;
  for (size_t i = 0; i < std::min(paths.size(), kNamesShown); ++i)
    names += (i > 0 ? ", " : "") + printable(paths[i].lexically_relative(folder).string());
  return names + (paths.size() > kNamesShown ? ", ..." : "");
}

}  // namespace

void expect_column(const std::string& file, const std::string& column, const ColumnFound& found) {
  if (found.present > 0 || found.missing == 0) return;
  throw DataError(fmt::format("{}: no column {}, its objects have: {}", file, column, fmt::join(found.keys, ", ")));
}

std::unique_ptr<TextReader> open_text_reader(const FilePart& part, const std::string& column) {
  const fs::path& file = part.file;
  const FileKind kind = require_file_kind(file);
  if (kind.format == FileFormat::kParquet) return open_parquet_text(part, column);
  if (kind.format == FileFormat::kArrow) return open_ipc_text(file, column);
  if (!part.is_whole())
    return open_json_reader(json_lines(open_line_window(part)), column, part.begin == 0 ? Share::kFirst : Share::kFurther);
  ByteWindow window(open_byte_source(file, kind.compression), file.string());
  switch (kind.format) {
    case FileFormat::kJsonLines: return open_json_reader(json_lines(std::move(window)), column);
    case FileFormat::kJson: return open_json_reader(json_elements(std::move(window)), column);
    case FileFormat::kCsv: return open_csv_reader(CsvRows(std::move(window), ','), column);
    case FileFormat::kTsv: return open_csv_reader(CsvRows(std::move(window), '\t'), column);
    default: return std::make_unique<PlainTextReader>(std::move(window));
  }
}

DataFiles find_data_files(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) throw DataError(fmt::format("{}: no such file or folder", path.string()));
  if (!fs::is_directory(status)) {
    require_file_kind(path);
    return {{path}, {}};
  }
  DataFiles found;
  collect(path, {}, found);
  keep_one_of_each(path, found);
  std::sort(found.files.begin(), found.files.end());
  std::sort(found.passed_over.begin(), found.passed_over.end());
  if (found.files.empty())
    throw DataError(fmt::format("{}: no data file in this folder, wanted one of {}{}", path.string(), known_endings(),
                                found.passed_over.empty() ? "" : "; passed over: " + names_of(found.passed_over, path)));
  return found;
}

void report_passed_over(const fs::path& path, const DataFiles& found) {
  if (!found.passed_over.empty())
    log_info(fmt::format("{}: passed over: {} {}: {}", path.string(), found.passed_over.size(),
                         found.passed_over.size() == 1 ? "entry" : "entries", names_of(found.passed_over, path)));
}

std::vector<fs::path> list_data_files(const fs::path& path) {
  auto found = find_data_files(path);
  report_passed_over(path, found);
  return std::move(found.files);
}

}  // namespace ingot::data
