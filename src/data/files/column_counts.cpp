#include "data/files/column_counts.h"

#include <iterator>

namespace ingot::data {
namespace {
constexpr size_t kMaxColumns = 200;
constexpr const char* kOtherColumns = "other columns";

/// The last name that is counted by itself.
ColumnCounts::iterator last_named(ColumnCounts& counts) {
  const auto last = std::prev(counts.end());
  return last->first == kOtherColumns ? std::prev(last) : last;
}
}  // namespace

void count_column(ColumnCounts& counts, const std::string& column, uint64_t records) {
  counts[column] += records;
  if (counts.size() - counts.count(kOtherColumns) <= kMaxColumns) return;
  const auto last = last_named(counts);
  counts[kOtherColumns] += last->second;
  counts.erase(last);
}

}  // namespace ingot::data
