#include "data/files/column_counts.h"

namespace ingot::data {
namespace {
constexpr size_t kMaxColumns = 200;
constexpr const char* kOtherColumns = "other columns";
}  // namespace

void count_column(ColumnCounts& counts, const std::string& column, uint64_t records) {
  const bool room = counts.size() < kMaxColumns || counts.contains(column);
  counts[room ? column : kOtherColumns] += records;
}

}  // namespace ingot::data
