#include "data/files/arrow_text.h"

#include <arrow/array.h>
#include <arrow/extension_type.h>
#include <fmt/format.h>

#include <set>

#include "core/error.h"
#include "core/json_value.h"
#include "data/files/arrow_batches.h"
#include "data/files/text_batch.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

const arrow::DataType& storage_of(const arrow::DataType& type) {
  if (type.id() != arrow::Type::EXTENSION) return type;
  return *static_cast<const arrow::ExtensionType&>(type).storage_type();
}

bool is_text(const arrow::DataType& declared) {
  const arrow::DataType& type = storage_of(declared);
  if (type.id() == arrow::Type::DICTIONARY)
    return is_text(*static_cast<const arrow::DictionaryType&>(type).value_type());
  return arrow::is_base_binary_like(type.id()) || arrow::is_binary_view_like(type.id());
}

/// The bytes of element `i` of a text array; nothing for a null.
std::optional<std::string_view> bytes_at(const arrow::Array& array, int64_t i) {
  if (array.IsNull(i)) return std::nullopt;
  switch (array.type_id()) {
    case arrow::Type::EXTENSION: return bytes_at(*static_cast<const arrow::ExtensionArray&>(array).storage(), i);
    case arrow::Type::DICTIONARY: {
      const auto& coded = static_cast<const arrow::DictionaryArray&>(array);
      return bytes_at(*coded.dictionary(), coded.GetValueIndex(i));
    }
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY: return static_cast<const arrow::LargeBinaryArray&>(array).GetView(i);
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW: return static_cast<const arrow::BinaryViewArray&>(array).GetView(i);
    default: return static_cast<const arrow::BinaryArray&>(array).GetView(i);
  }
}

bool is_json(const arrow::DataType& type) {
  return type.id() == arrow::Type::EXTENSION && static_cast<const arrow::ExtensionType&>(type).extension_name() == "arrow.json";
}

/// The text that a JSON document is; nothing for another document.
std::optional<std::string> text_in(std::string_view document) {
  try {
    const JsonValue value = parse_json_value(document, "document");
    return value.is_text() ? std::optional(value.text) : std::nullopt;
  } catch (const DataError&) {
    return std::string(document);  // no JSON after all: a text, as in raw_rows.h
  }
}

class ArrowTextReader : public TextReader {
 public:
  ArrowTextReader(std::unique_ptr<ArrowBatches> batches, const std::string& column)
      : batches_(std::move(batches)), column_(column), null_problem_(fmt::format("column {} is null", column)),
        no_text_problem_(fmt::format("column {} is JSON that is no text", column)) {
    const auto schema = batches_->schema();
    const auto& field = *schema->field(find_column(*schema, column, batches_->name()));
    if (!is_text(*field.type()))
      throw DataError(
          fmt::format("{}: column {} is {}, wanted text", batches_->name(), column, field.type()->ToString()));
  }

  bool next(std::vector<TextRecord>& batch) override {
    TextBatch filled(batch);
    while (!filled.full() && advance()) add_row(filled);
    return !filled.empty();
  }
  uint64_t bytes_read() const override { return batches_->bytes_read(); }
  uint64_t rows_read() const override { return row_; }
  ColumnCounts unused() const override {
    ColumnCounts counts;
    const std::set<std::string> names(batches_->columns().begin(), batches_->columns().end());
    for (const auto& name : names)
      if (name != column_ && row_ > 0) count_column(counts, name, row_);
    return counts;
  }

 private:
  /// Makes sure that a row stands at `position_`; false at the end.
  bool advance() {
    while (!array_ || position_ == array_->length()) {
      array_.reset();
      const auto batch = batches_->next();
      if (!batch) return false;
      array_ = batch->column(0);
      position_ = 0;
    }
    return true;
  }
  void add_row(TextBatch& batch) {
    const auto bytes = bytes_at(*array_, position_++);
    ++row_;
    if (!bytes || (is_json(*array_->type()) && *bytes == "null")) batch.add_problem(row_, null_problem_);
    else if (!is_json(*array_->type())) batch.add_text(row_, *bytes);
    else if (const auto text = text_in(*bytes)) batch.add_text(row_, *text);
    else batch.add_problem(row_, no_text_problem_);
  }

  std::unique_ptr<ArrowBatches> batches_;
  std::string column_, null_problem_, no_text_problem_;
  std::shared_ptr<arrow::Array> array_;
  int64_t position_ = 0;
  uint64_t row_ = 0;
};

}  // namespace

std::unique_ptr<TextReader> open_parquet_text(const FilePart& part, const std::string& column) {
  return std::make_unique<ArrowTextReader>(open_parquet_batches(part, column), column);
}

std::unique_ptr<TextReader> open_ipc_text(const fs::path& file, const std::string& column) {
  return std::make_unique<ArrowTextReader>(open_ipc_batches(file, column), column);
}

}  // namespace ingot::data
