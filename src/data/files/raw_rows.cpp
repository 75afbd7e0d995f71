#include "data/files/raw_rows.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <ostream>
#include <set>

#include "core/error.h"
#include "data/files/arrow_batches.h"
#include "data/files/arrow_json.h"
#include "data/files/csv_rows.h"
#include "data/files/file_format.h"
#include "data/files/json_items.h"
#include "data/files/json_text.h"
#include "data/files/line_source.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

bool is_utf8(const std::string& text) { return simdjson::validate_utf8(text.data(), text.size()); }

/// Which of two columns of one name is meant cannot be told.
void expect_one_of_each(const arrow::RecordBatch& batch, const std::string& file) {
  std::set<std::string> names;
  for (int column = 0; column < batch.num_columns(); ++column)
    if (!names.insert(batch.column_name(column)).second)
      throw DataError(fmt::format("{}: has more than one column {}, wanted one", file, batch.column_name(column)));
}

class ArrowRows : public JsonRowReader {
 public:
  ArrowRows(std::unique_ptr<ArrowBatches> batches, Bytes bytes) : batches_(std::move(batches)), bytes_(bytes) {}

  bool next(JsonRow& row) override {
    while (!batch_ || position_ == batch_->num_rows()) {
      batch_.reset();
      batch_ = batches_->next();
      if (!batch_) return false;
      if (bytes_ == Bytes::kText) expect_one_of_each(*batch_, batches_->name());
      position_ = 0;
    }
    row = {++row_, {}, {}};
    try {
      render(row.json);
    } catch (const DataError& error) {
      row.problem = error.what();
    }
    ++position_;
    return true;
  }
  uint64_t bytes_read() const override { return batches_->bytes_read(); }
  uint64_t rows_read() const override { return row_; }

 private:
  void render(std::string& row) const {
    row = "{";
    for (int column = 0; column < batch_->num_columns(); ++column) {
      if (column > 0) row += ',';
      append_json_string(batch_->column_name(column), row);
      row += ':';
      append_json(*batch_->column(column), position_, bytes_, row);
    }
    row += '}';
  }

  std::unique_ptr<ArrowBatches> batches_;
  Bytes bytes_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  int64_t position_ = 0;
  uint64_t row_ = 0;
};

class JsonRows : public JsonRowReader {
 public:
  explicit JsonRows(std::unique_ptr<JsonItems> items) : items_(std::move(items)) {}

  bool next(JsonRow& row) override {
    const auto item = items_->next();
    if (!item) return false;
    row = {items_->row(), {}, items_->too_long() ? kTooLong : json_problem(*item)};
    if (!row.problem.empty()) return true;
    row.json = *item;
    const auto is_line_end = [](char c) { return c == '\n' || c == '\r'; };  // none in a string
    std::replace_if(row.json.begin(), row.json.end(), is_line_end, ' ');
    return true;
  }
  uint64_t bytes_read() const override { return items_->bytes_read(); }
  uint64_t rows_read() const override { return items_->row(); }

 private:
  std::unique_ptr<JsonItems> items_;
};

class CsvJsonRows : public JsonRowReader {
 public:
  explicit CsvJsonRows(CsvRows rows) : rows_(std::move(rows)), names_(rows_.read_names()) {}

  bool next(JsonRow& row) override {
    if (!rows_.next(fields_)) return false;
    row = {rows_.line(), {}, rows_.problem()};
    if (row.problem.empty()) render(row);
    return true;
  }
  uint64_t bytes_read() const override { return rows_.bytes_read(); }

 private:
  void render(JsonRow& row) const {
    for (size_t i = 0; i < names_.size(); ++i) {
      if (!is_utf8(names_[i]) || !is_utf8(fields_[i])) {
        row.problem = "invalid UTF-8";
        return;
      }
      row.json += i == 0 ? '{' : ',';
      append_json_string(names_[i], row.json);
      row.json += ':';
      append_json_string(fields_[i], row.json);
    }
    row.json += '}';
  }

  CsvRows rows_;
  std::vector<std::string> names_, fields_;
};

class TextRows : public JsonRowReader {
 public:
  explicit TextRows(const fs::path& file) : reader_(open_text_reader(file, "text")) {}

  bool next(JsonRow& row) override {
    std::vector<TextRecord> records;
    if (!reader_->next(records)) return false;
    row = {records.at(0).row, "{\"text\":", records[0].problem};
    append_json_string(records[0].text, row.json);
    row.json += '}';
    return true;
  }
  uint64_t bytes_read() const override { return reader_->bytes_read(); }

 private:
  std::unique_ptr<TextReader> reader_;
};

std::unique_ptr<JsonRowReader> open_rows(const FilePart& part, Bytes bytes) {
  const fs::path& file = part.file;
  const FileKind kind = require_file_kind(file);
  const auto window = [&] { return ByteWindow(open_byte_source(file, kind.compression), file.string()); };
  if (!part.is_whole() && kind.format == FileFormat::kJsonLines) return std::make_unique<JsonRows>(json_lines(open_line_window(part)));
  switch (kind.format) {
    case FileFormat::kParquet: return std::make_unique<ArrowRows>(open_parquet_batches(part, std::nullopt), bytes);
    case FileFormat::kArrow: return std::make_unique<ArrowRows>(open_ipc_batches(file, std::nullopt), bytes);
    case FileFormat::kJsonLines: return std::make_unique<JsonRows>(json_lines(window()));
    case FileFormat::kJson: return std::make_unique<JsonRows>(json_elements(window()));
    case FileFormat::kCsv: return std::make_unique<CsvJsonRows>(CsvRows(window(), ','));
    case FileFormat::kTsv: return std::make_unique<CsvJsonRows>(CsvRows(window(), '\t'));
    case FileFormat::kText: break;
  }
  return std::make_unique<TextRows>(file);
}

}  // namespace

std::unique_ptr<JsonRowReader> open_json_row_reader(const FilePart& part) { return open_rows(part, Bytes::kText); }

void print_raw_rows(const fs::path& file, uint64_t limit, std::ostream& out) {
  const auto rows = open_rows(file, Bytes::kShown);
  JsonRow row;
  for (uint64_t i = 0; out && i < limit && rows->next(row); ++i) {
    if (!row.problem.empty()) throw DataError(fmt::format("{}: row {}: {}", file.string(), row.row, row.problem));
    out << row.json << '\n';
  }
}

}  // namespace ingot::data
