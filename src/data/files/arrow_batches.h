#pragma once

#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/file.h"
#include "data/files/file_part.h"

namespace ingot::data {

/// The most memory that decoding one file may hold, whatever its pages claim to be.
inline constexpr int64_t kArrowMemoryLimit = int64_t{1} << 30;

/// The record batches of one file. Arrow is included by the sources of this reader alone.
class ArrowBatches {
 public:
  /// Throws what the system says of a file that cannot be read, which Arrow leaves out.
  explicit ArrowBatches(const std::filesystem::path& file) : name_(file.string()) { const MappedFile readable(file); }
  virtual ~ArrowBatches() = default;
  /// Columns that the batches have.
  virtual std::shared_ptr<arrow::Schema> schema() const = 0;
  /// The next batch, nullptr at the end. Throws DataError naming the file.
  virtual std::shared_ptr<arrow::RecordBatch> next() = 0;
  /// Bytes of the file consumed, in proportion to its rows or batches.
  virtual uint64_t bytes_read() const = 0;
  const std::string& name() const { return name_; }
  /// Names of all columns of the file, those that the batches lack too.
  const std::vector<std::string>& columns() const { return columns_; }

 protected:
  arrow::MemoryPool* pool() { return &pool_->capped; }
  std::string name_;
  std::vector<std::string> columns_;

 private:
  struct Pool {
    arrow::ProxyMemoryPool counted{arrow::default_memory_pool()};
    arrow::CappedMemoryPool capped{&counted, kArrowMemoryLimit};
  };
  Pool* pool_ = new Pool;  // never freed: a thread of Arrow's may let go of a buffer after the reader is gone
};

/// Opens a file with all its columns, or one. Throws DataError naming the columns present when it is missing.
std::unique_ptr<ArrowBatches> open_parquet_batches(const FilePart& part, const std::optional<std::string>& column);
std::unique_ptr<ArrowBatches> open_ipc_batches(const std::filesystem::path& file,
                                               const std::optional<std::string>& column);

/// Throws a DataError of one line that names the file.
[[noreturn]] void refuse_arrow(std::string message, const std::string& file);

/// Refuses the file unless `status` is good.
void check_arrow(const arrow::Status& status, const std::string& file);

template <class Value>
Value take_arrow(arrow::Result<Value> result, const std::string& file) {
  check_arrow(result.status(), file);
  return std::move(result).ValueUnsafe();
}

/// Index of the one column of that name. Throws DataError naming those present when it is missing or stands twice.
int find_column(const arrow::Schema& schema, const std::string& column, const std::string& file);

}  // namespace ingot::data
