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
#include "data/files/parquet_groups.h"

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

/// The sum over its columns: what the group itself says is optional.
uint64_t stored_bytes(const parquet::RowGroupMetaData& group) {
  uint64_t bytes = 0;
  for (int column = 0; column < group.num_columns(); ++column)
    bytes += static_cast<uint64_t>(std::max<int64_t>(0, group.ColumnChunk(column)->total_compressed_size()));
  return bytes;
}

/// Decodes a few thousand rows at a time, so that memory does not grow with the size of the row groups.
class ParquetBatches : public ArrowBatches {
 public:
  ParquetBatches(const FilePart& part, const std::optional<std::string>& column) : ArrowBatches(part.file) {
    guarded(name_, [&] { open(part, column); });
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
    return static_cast<uint64_t>(share * static_cast<double>(part_bytes_));
  }

 private:
  void open(const FilePart& part, const std::optional<std::string>& column) {
    parquet::ReaderProperties properties(pool());
    properties.set_page_checksum_verification(true);
    properties.enable_buffered_stream();
    properties.set_buffer_size(kReadBuffer);
    parquet::ArrowReaderProperties arrow_properties(/*use_threads=*/false);
    arrow_properties.set_pre_buffer(false);
    auto file = take_arrow(arrow::io::ReadableFile::Open(name_, pool()), name_);
    part_bytes_ = take_arrow(file->GetSize(), name_);
    parquet::arrow::FileReaderBuilder builder;
    check_arrow(builder.Open(file, properties), name_);
    reader_ = take_arrow(builder.memory_pool(pool())->properties(arrow_properties)->Build(), name_);
    const auto metadata = reader_->parquet_reader()->metadata();
    const std::vector<int> groups = groups_of(part, *metadata);
    for (const int group : groups) num_rows_ += metadata->RowGroup(group)->num_rows();
    const std::vector<int> leaves = select_leaves(*metadata->schema(), column);
    reader_->set_batch_size(batch_rows(*metadata, groups, leaves));
    batches_ = take_arrow(reader_->GetRecordBatchReader(groups, leaves), name_);
  }
  std::vector<int> groups_of(const FilePart& part, const parquet::FileMetaData& metadata) {
    const auto count = static_cast<uint64_t>(metadata.num_row_groups());
    const uint64_t begin = std::min(part.begin, count), end = std::clamp(part.end, begin, count);
    std::vector<int> groups(end - begin);
    std::iota(groups.begin(), groups.end(), static_cast<int>(begin));
    if (!part.is_whole()) part_bytes_ = 0;
    if (!part.is_whole())
      for (const int group : groups) part_bytes_ += static_cast<int64_t>(stored_bytes(*metadata.RowGroup(group)));
    return groups;
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
  int64_t batch_rows(const parquet::FileMetaData& metadata, const std::vector<int>& groups, const std::vector<int>& leaves) const {
    double bytes = 0;
    for (const int group : groups)
      for (const int leaf : leaves)
        bytes += static_cast<double>(metadata.RowGroup(group)->ColumnChunk(leaf)->total_uncompressed_size());
    const double row_bytes = std::max(bytes, 1.0) / static_cast<double>(std::max<int64_t>(num_rows_, 1));
    return std::clamp(static_cast<int64_t>(static_cast<double>(kBatchBytes) / row_bytes), int64_t{1}, kMaxBatchRows);
  }

  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  int64_t num_rows_ = 0, num_read_ = 0, part_bytes_ = 0;
};

void expect_regular(const fs::path& file) {
  if (!fs::is_regular_file(file)) throw DataError(fmt::format("{}: not a regular file", file.string()));
}

}  // namespace

std::unique_ptr<ArrowBatches> open_parquet_batches(const FilePart& part, const std::optional<std::string>& column) {
  expect_regular(part.file);
  return std::make_unique<ParquetBatches>(part, column);
}

std::vector<ParquetGroup> parquet_groups(const fs::path& file) {
  expect_regular(file);
  return guarded(file.string(), [&] {
    const auto reader = parquet::ParquetFileReader::OpenFile(file.string(), /*memory_map=*/false);
    const auto metadata = reader->metadata();
    std::vector<ParquetGroup> groups;
    for (int group = 0; group < metadata->num_row_groups(); ++group) {
      const auto found = metadata->RowGroup(group);
      groups.push_back({stored_bytes(*found), static_cast<uint64_t>(std::max<int64_t>(0, found->num_rows()))});
    }
    return groups;
  });
}

}  // namespace ingot::data
