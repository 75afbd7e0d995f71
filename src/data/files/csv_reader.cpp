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
    const auto names = rows_.read_names();
    const auto found = std::find(names.begin(), names.end(), column);
    if (found == names.end())
      throw DataError(
          fmt::format("{}: no column {}, its first row has: {}", rows_.file(), column, fmt::join(names, ", ")));
    column_ = static_cast<size_t>(found - names.begin());
  }

  bool next(std::vector<TextRecord>& batch) override {
    TextBatch filled(batch);
    while (!filled.full() && rows_.next(fields_)) add_row(filled);
    return !filled.empty();
  }
  uint64_t bytes_read() const override { return rows_.bytes_read(); }

 private:
  void add_row(TextBatch& batch) {
    if (!rows_.problem().empty()) batch.add_problem(rows_.line(), rows_.problem());
    else batch.add_text(rows_.line(), fields_[column_]);
  }

  CsvRows rows_;
  size_t column_ = 0;
  std::vector<std::string> fields_;
};

}  // namespace

std::unique_ptr<TextReader> open_csv_reader(CsvRows rows, const std::string& column) {
  return std::make_unique<CsvReader>(std::move(rows), column);
}

}  // namespace ingot::data
