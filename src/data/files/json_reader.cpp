#include "data/files/json_reader.h"

#include <fmt/format.h>

#include "core/error.h"
#include "data/files/json_text.h"
#include "data/files/text_batch.h"

namespace ingot::data {
namespace {

constexpr uint64_t kPatience = 10'000;

class JsonReader : public TextReader {
 public:
  JsonReader(std::unique_ptr<JsonItems> items, const std::string& column)
      : items_(std::move(items)), column_(column), text_(column) {}

  bool next(std::vector<TextRecord>& batch) override {
    TextBatch filled(batch);
    while (!filled.full()) {
      const auto item = items_->next();
      if (!item) break;
      TextRecord record{items_->row(), {}, {}};
      if (items_->too_long()) record.problem = kTooLong;
      else text_.extract(*item, record);
      filled.add(std::move(record));
      if (text_.num_missing() == kPatience) expect_column();
    }
    if (filled.empty()) expect_column();
    return !filled.empty();
  }
  uint64_t bytes_read() const override { return items_->bytes_read(); }
  ColumnCounts unused() const override { return text_.unused(); }

 private:
  void expect_column() const {
    if (text_.num_present() > 0 || text_.num_missing() == 0) return;
    throw DataError(fmt::format("{}: no column {}, its objects have: {}", items_->file(), column_,
                                fmt::join(text_.keys_present(), ", ")));
  }

  std::unique_ptr<JsonItems> items_;
  std::string column_;
  JsonText text_;
};

}  // namespace

std::unique_ptr<TextReader> open_json_reader(std::unique_ptr<JsonItems> items, const std::string& column) {
  return std::make_unique<JsonReader>(std::move(items), column);
}

}  // namespace ingot::data
