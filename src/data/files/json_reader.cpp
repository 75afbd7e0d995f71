#include "data/files/json_reader.h"

#include "data/files/json_text.h"
#include "data/files/text_batch.h"

namespace ingot::data {
namespace {

constexpr uint64_t kPatience = 10'000;

class JsonReader : public TextReader {
 public:
  JsonReader(std::unique_ptr<JsonItems> items, const std::string& column, Share share)
      : items_(std::move(items)), column_(column), text_(column), share_(share) {}

  bool next(std::vector<TextRecord>& batch) override {
    TextBatch filled(batch);
    while (!filled.full()) {
      const auto item = items_->next();
      if (!item) break;
      TextRecord record{items_->row(), {}, {}};
      if (items_->too_long()) record.problem = kTooLong;
      else text_.extract(*item, record);
      filled.add(std::move(record));
      const bool has_none_yet = text_.num_missing() == kPatience && text_.num_present() == 0;
      if (share_ != Share::kFurther && has_none_yet) expect_column(items_->file(), column_, found());
    }
    if (share_ == Share::kAll && filled.empty()) expect_column(items_->file(), column_, found());
    return !filled.empty();
  }
  uint64_t bytes_read() const override { return items_->bytes_read(); }
  uint64_t rows_read() const override { return items_->row(); }
  ColumnFound found() const override { return {text_.num_present(), text_.num_missing(), text_.keys_present()}; }
  ColumnCounts unused() const override { return text_.unused(); }

 private:
  std::unique_ptr<JsonItems> items_;
  std::string column_;
  JsonText text_;
  Share share_;
};

}  // namespace

std::unique_ptr<TextReader> open_json_reader(std::unique_ptr<JsonItems> items, const std::string& column, Share share) {
  return std::make_unique<JsonReader>(std::move(items), column, share);
}

}  // namespace ingot::data
