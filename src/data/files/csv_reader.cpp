#include "data/files/csv_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "data/files/text_batch.h"

namespace ingot::data {
namespace {

class CsvReader : public TextReader {
 public:
  CsvReader(CsvRows rows, const std::string& column) : rows_(std::move(rows)), names_(rows_.read_names()), filled_(names_.size()) {
    const auto found = std::find(names_.begin(), names_.end(), column);
    if (found == names_.end() && !names_.empty())  // an empty file has no record
      throw DataError(
          fmt::format("{}: no column {}, its first row has: {}", rows_.file(), column, fmt::join(names_, ", ")));
    column_ = static_cast<size_t>(found - names_.begin());
  }

  bool next(std::vector<TextRecord>& batch) override {
    TextBatch filled(batch);
    while (!filled.full() && rows_.next(fields_)) add_row(filled);
    return !filled.empty();
  }
  uint64_t bytes_read() const override { return rows_.bytes_read(); }
  ColumnCounts unused() const override {
    ColumnCounts counts;
    for (size_t i = 0; i < names_.size(); ++i)
      if (i != column_ && filled_[i] > 0) count_column(counts, names_[i], filled_[i]);
    return counts;
  }

 private:
  void add_row(TextBatch& batch) {
    if (!rows_.problem().empty()) return batch.add_problem(rows_.line(), rows_.problem());
    batch.add_text(rows_.line(), fields_[column_]);
    for (size_t i = 0; i < fields_.size(); ++i) filled_[i] += !fields_[i].empty();
  }

  CsvRows rows_;
  std::vector<std::string> names_, fields_;
  std::vector<uint64_t> filled_;  // rows that hold something in a column
  size_t column_ = 0;
};

}  // namespace

std::unique_ptr<TextReader> open_csv_reader(CsvRows rows, const std::string& column) {
  return std::make_unique<CsvReader>(std::move(rows), column);
}

}  // namespace ingot::data
