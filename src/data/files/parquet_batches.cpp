#include <arrow/io/file.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "data/files/arrow_batches.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kBatchBytes = int64_t{4} << 20, kMaxBatchRows = 4096, kReadBuffer = int64_t{1} << 20;

/// Parquet reports damage by exceptions of its own, some of them from the standard library.
template <class Body>
auto guarded(const std::string& file, const Body& body) {
  try {
    return body();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    refuse_arrow(error.what(), file);
  }
}

/// Decodes a few thousand rows at a time, so that memory does not grow with the size of the row groups.
class ParquetBatches : public ArrowBatches {
 public:
  ParquetBatches(const fs::path& file, const std::optional<std::string>& column) : ArrowBatches(file) {
    guarded(name_, [&] { open(column); });
  }
  std::shared_ptr<arrow::Schema> schema() const override { return batches_->schema(); }

  std::shared_ptr<arrow::RecordBatch> next() override {
    auto batch = guarded(name_, [&] { return take_arrow(batches_->Next(), name_); });
    num_read_ += batch ? batch->num_rows() : 0;
    if (!batch && num_read_ != num_rows_)
      refuse_arrow(fmt::format("its row groups promise {} rows, its pages hold {}", num_rows_, num_read_), name_);
    return batch;
  }
  uint64_t bytes_read() const override {
    const double share = num_rows_ > 0 ? static_cast<double>(num_read_) / static_cast<double>(num_rows_) : 1.0;
    return static_cast<uint64_t>(share * static_cast<double>(file_size_));
  }

 private:
  void open(const std::optional<std::string>& column) {
    parquet::ReaderProperties properties(pool());
    properties.set_page_checksum_verification(true);
    properties.enable_buffered_stream();
    properties.set_buffer_size(kReadBuffer);
    parquet::ArrowReaderProperties arrow_properties(/*use_threads=*/false);
    arrow_properties.set_pre_buffer(false);
    auto file = take_arrow(arrow::io::ReadableFile::Open(name_, pool()), name_);
    file_size_ = take_arrow(file->GetSize(), name_);
    parquet::arrow::FileReaderBuilder builder;
    check_arrow(builder.Open(file, properties), name_);
    reader_ = take_arrow(builder.memory_pool(pool())->properties(arrow_properties)->Build(), name_);
    const auto metadata = reader_->parquet_reader()->metadata();
    for (int group = 0; group < metadata->num_row_groups(); ++group) num_rows_ += metadata->RowGroup(group)->num_rows();
    const std::vector<int> leaves = select_leaves(*metadata->schema(), column);
    reader_->set_batch_size(batch_rows(*metadata, leaves));
    std::vector<int> groups(static_cast<size_t>(metadata->num_row_groups()));
    std::iota(groups.begin(), groups.end(), 0);
    batches_ = take_arrow(reader_->GetRecordBatchReader(groups, leaves), name_);
  }
  std::vector<int> select_leaves(const parquet::SchemaDescriptor& columns, const std::optional<std::string>& wanted) {
    if (wanted) {
      std::shared_ptr<arrow::Schema> whole;
      check_arrow(reader_->GetSchema(&whole), name_);
      find_column(*whole, *wanted, name_);
      columns_ = whole->field_names();
    }
    std::vector<int> leaves;
    for (int leaf = 0; leaf < columns.num_columns(); ++leaf)
      if (!wanted || columns.GetColumnRoot(leaf)->name() == *wanted) leaves.push_back(leaf);
    return leaves;
  }
  int64_t batch_rows(const parquet::FileMetaData& metadata, const std::vector<int>& leaves) const {
    double bytes = 0;
    for (int group = 0; group < metadata.num_row_groups(); ++group)
      for (const int leaf : leaves)
        bytes += static_cast<double>(metadata.RowGroup(group)->ColumnChunk(leaf)->total_uncompressed_size());
    const double row_bytes = std::max(bytes, 1.0) / static_cast<double>(std::max<int64_t>(num_rows_, 1));
    return std::clamp(static_cast<int64_t>(static_cast<double>(kBatchBytes) / row_bytes), int64_t{1}, kMaxBatchRows);
  }

  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  int64_t num_rows_ = 0, num_read_ = 0, file_size_ = 0;
};

}  // namespace

std::unique_ptr<ArrowBatches> open_parquet_batches(const fs::path& file, const std::optional<std::string>& column) {
  if (!fs::is_regular_file(file)) throw DataError(fmt::format("{}: not a regular file", file.string()));
  return std::make_unique<ParquetBatches>(file, column);
}

}  // namespace ingot::data
