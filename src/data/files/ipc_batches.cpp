#include <arrow/array.h>
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <fmt/format.h>

#include "core/error.h"
#include "data/files/arrow_batches.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

/// Strings are looked at as bytes, because one text that is not UTF-8 is a problem of its record, not of the file.
std::shared_ptr<arrow::Array> as_bytes(const std::shared_ptr<arrow::Array>& column, const std::string& file) {
  if (column->type_id() == arrow::Type::STRING) return take_arrow(column->View(arrow::binary()), file);
  if (column->type_id() == arrow::Type::LARGE_STRING) return take_arrow(column->View(arrow::large_binary()), file);
  if (column->type_id() == arrow::Type::STRING_VIEW) return take_arrow(column->View(arrow::binary_view()), file);
  return column;
}

/// Every offset of every array is checked against its buffers before anything reads through it.
void validate(const arrow::RecordBatch& batch, const std::string& file) {
  check_arrow(batch.Validate(), file);
  for (const auto& column : batch.columns()) check_arrow(as_bytes(column, file)->ValidateFull(), file);
}

/// Batches of the file format, which has an index at its end, or of the stream format. The file is mapped.
class IpcBatches : public ArrowBatches {
 public:
  IpcBatches(const fs::path& file, const std::optional<std::string>& column) : ArrowBatches(file) {
    mapped_ = take_arrow(arrow::io::MemoryMappedFile::Open(name_, arrow::io::FileMode::READ), name_);
    file_size_ = take_arrow(mapped_->GetSize(), name_);
    const std::string magic = take_arrow(mapped_->ReadAt(0, 6), name_)->ToString();
    if (magic.starts_with("FEA1"))
      throw DataError(fmt::format("{}: Feather version 1, wanted version 2 (write it again with pyarrow)", name_));
    open(magic == "ARROW1");
    columns_ = schema_->field_names();
    if (!column) return;
    options_.included_fields = {find_column(*schema_, *column, name_)};
    check_arrow(mapped_->Seek(0), name_);
    open(magic == "ARROW1");
  }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  std::shared_ptr<arrow::RecordBatch> next() override {
    std::shared_ptr<arrow::RecordBatch> batch;
    if (stream_) check_arrow(stream_->ReadNext(&batch), name_);
    else if (next_batch_ < file_->num_record_batches())
      batch = take_arrow(file_->ReadRecordBatch(next_batch_++), name_);
    if (batch) validate(*batch, name_);
    return batch;
  }
  uint64_t bytes_read() const override {
    if (stream_) return static_cast<uint64_t>(mapped_->Tell().ValueOr(0));
    const int total = file_->num_record_batches();
    return static_cast<uint64_t>(total > 0 ? file_size_ * next_batch_ / total : file_size_);
  }

 private:
  void open(bool indexed) {
    options_.memory_pool = pool();
    options_.use_threads = false;
    options_.ensure_alignment = arrow::ipc::Alignment::kDataTypeSpecificAlignment;
    if (indexed) file_ = take_arrow(arrow::ipc::RecordBatchFileReader::Open(mapped_, options_), name_);
    else stream_ = take_arrow(arrow::ipc::RecordBatchStreamReader::Open(mapped_, options_), name_);
    schema_ = indexed ? file_->schema() : stream_->schema();
  }

  arrow::ipc::IpcReadOptions options_;
  std::shared_ptr<arrow::io::MemoryMappedFile> mapped_;
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> file_;
  std::shared_ptr<arrow::ipc::RecordBatchStreamReader> stream_;
  std::shared_ptr<arrow::Schema> schema_;
  int64_t file_size_ = 0;
  int next_batch_ = 0;
};

}  // namespace

std::unique_ptr<ArrowBatches> open_ipc_batches(const fs::path& file, const std::optional<std::string>& column) {
  if (!fs::is_regular_file(file)) throw DataError(fmt::format("{}: not a regular file", file.string()));
  return std::make_unique<IpcBatches>(file, column);
}

}  // namespace ingot::data
