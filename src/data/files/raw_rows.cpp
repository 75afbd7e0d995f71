#include "data/files/raw_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "core/error.h"
#include "data/files/arrow_batches.h"
#include "data/files/arrow_json.h"
#include "data/files/csv_rows.h"
#include "data/files/file_format.h"
#include "data/files/json_items.h"
#include "data/files/json_text.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

class ArrowRows : public JsonRowReader {
 public:
  explicit ArrowRows(std::unique_ptr<ArrowBatches> batches) : batches_(std::move(batches)) {}

  bool next(std::string& row) override {
    while (!batch_ || position_ == batch_->num_rows()) {
      batch_.reset();
      batch_ = batches_->next();
      if (!batch_) return false;
      position_ = 0;
    }
    ++row_;
    try {
      render(row);
    } catch (const DataError& error) {
      throw DataError(fmt::format("{}: row {}: {}", batches_->name(), row_, error.what()));
    }
    ++position_;
    return true;
  }

 private:
  void render(std::string& row) const {
    row = "{";
    for (int column = 0; column < batch_->num_columns(); ++column) {
      if (column > 0) row += ',';
      append_json_string(batch_->column_name(column), row);
      row += ':';
      append_json(*batch_->column(column), position_, row);
    }
    row += '}';
  }

  std::unique_ptr<ArrowBatches> batches_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  int64_t position_ = 0;
  uint64_t row_ = 0;
};

class JsonRows : public JsonRowReader {
 public:
  explicit JsonRows(std::unique_ptr<JsonItems> items) : items_(std::move(items)) {}

  bool next(std::string& row) override {
    const auto item = items_->next();
    if (!item) return false;
    const std::string problem = json_problem(*item);
    if (!problem.empty()) throw DataError(fmt::format("{}: row {}: {}", items_->file(), items_->row(), problem));
    row = *item;
    std::replace_if(row.begin(), row.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');  // none in a string
    return true;
  }

 private:
  std::unique_ptr<JsonItems> items_;
};

class CsvJsonRows : public JsonRowReader {
 public:
  explicit CsvJsonRows(CsvRows rows) : rows_(std::move(rows)) { rows_.next(names_); }

  bool next(std::string& row) override {
    if (!rows_.next(fields_)) return false;
    if (rows_.has_bad_quote())
      throw DataError(fmt::format("{}: row at line {} has text behind a quote", rows_.file(), rows_.line()));
    if (fields_.size() != names_.size())
      throw DataError(fmt::format("{}: row at line {} has {} fields, wanted {}", rows_.file(), rows_.line(),
                                  fields_.size(), names_.size()));
    row = "{";
    for (size_t i = 0; i < names_.size(); ++i) {
      if (i > 0) row += ',';
      append_json_string(names_[i], row);
      row += ':';
      append_json_string(fields_[i], row);
    }
    row += '}';
    return true;
  }

 private:
  CsvRows rows_;
  std::vector<std::string> names_, fields_;
};

class TextRows : public JsonRowReader {
 public:
  explicit TextRows(const fs::path& file) : file_(file.string()), reader_(open_text_reader(file, "text")) {}

  bool next(std::string& row) override {
    std::vector<TextRecord> records;
    if (!reader_->next(records)) return false;
    if (!records.at(0).problem.empty()) throw DataError(fmt::format("{}: {}", file_, records[0].problem));
    row = "{\"text\":";
    append_json_string(records[0].text, row);
    row += '}';
    return true;
  }

 private:
  std::string file_;
  std::unique_ptr<TextReader> reader_;
};

}  // namespace

std::unique_ptr<JsonRowReader> open_json_row_reader(const fs::path& file) {
  const FileKind kind = require_file_kind(file);
  const auto window = [&] { return ByteWindow(open_byte_source(file, kind.compression), file.string()); };
  switch (kind.format) {
    case FileFormat::kParquet: return std::make_unique<ArrowRows>(open_parquet_batches(file, std::nullopt));
    case FileFormat::kArrow: return std::make_unique<ArrowRows>(open_ipc_batches(file, std::nullopt));
    case FileFormat::kJsonLines: return std::make_unique<JsonRows>(json_lines(window()));
    case FileFormat::kJson: return std::make_unique<JsonRows>(json_elements(window()));
    case FileFormat::kCsv: return std::make_unique<CsvJsonRows>(CsvRows(window(), ','));
    case FileFormat::kTsv: return std::make_unique<CsvJsonRows>(CsvRows(window(), '\t'));
    case FileFormat::kText: break;
  }
  return std::make_unique<TextRows>(file);
}

void print_raw_rows(const fs::path& file, uint64_t limit, std::ostream& out) {
  const auto rows = open_json_row_reader(file);
  std::string row;
  for (uint64_t i = 0; i < limit && rows->next(row); ++i) out << row << '\n';
}

}  // namespace ingot::data
