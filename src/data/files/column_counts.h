#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace ingot::data {

/// How many records hold something in a column.
using ColumnCounts = std::map<std::string, uint64_t>;

/// Adds to the count of a column. Beyond 200 columns, which may be names made up record by record, the others share one entry.
void count_column(ColumnCounts& counts, const std::string& column, uint64_t records = 1);

}  // namespace ingot::data
