#include "data/files/text_batch.h"

#include <simdjson.h>

namespace ingot::data {
namespace {
constexpr size_t kTextBatchBytes = size_t{1} << 20, kBatchRecords = 16384;
}

bool TextBatch::full() const { return bytes_ >= kTextBatchBytes || records_.size() >= kBatchRecords; }

void TextBatch::add(TextRecord record) {
  bytes_ += record.text.size();
  records_.push_back(std::move(record));
}

void TextBatch::add_text(uint64_t row, std::string_view bytes) {
  if (simdjson::validate_utf8(bytes.data(), bytes.size())) add({row, std::string(bytes), {}});
  else add_problem(row, "invalid UTF-8");
}

}  // namespace ingot::data
