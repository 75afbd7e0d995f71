#include "data/files/csv_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "data/files/text_batch.h"

namespace ingot::data {
namespace {

class CsvReader : public TextReader {
 public:
  CsvReader(CsvRows rows, const std::string& column) : rows_(std::move(rows)) {
    rows_.next(fields_);
    num_columns_ = fields_.size();
    const auto found = std::find(fields_.begin(), fields_.end(), column);
    if (found == fields_.end())
      throw DataError(
          fmt::format("{}: no column {}, its first row has: {}", rows_.file(), column, fmt::join(fields_, ", ")));
    column_ = static_cast<size_t>(found - fields_.begin());
  }

  bool next(std::vector<TextRecord>& batch) override {
    TextBatch filled(batch);
    while (!filled.full() && rows_.next(fields_)) add_row(filled);
    return !filled.empty();
  }
  uint64_t bytes_read() const override { return rows_.bytes_read(); }

 private:
  void add_row(TextBatch& batch) {
    if (rows_.has_bad_quote()) batch.add_problem(rows_.line(), "text behind a closing quote");
    else if (fields_.size() != num_columns_)
      batch.add_problem(rows_.line(), fields_.size() < num_columns_ ? "fewer fields than the first row has"
                                                                    : "more fields than the first row has");
    else batch.add_text(rows_.line(), fields_[column_]);
  }

  CsvRows rows_;
  size_t num_columns_ = 0, column_ = 0;
  std::vector<std::string> fields_;
};

}  // namespace

std::unique_ptr<TextReader> open_csv_reader(CsvRows rows, const std::string& column) {
  return std::make_unique<CsvReader>(std::move(rows), column);
}

}  // namespace ingot::data
