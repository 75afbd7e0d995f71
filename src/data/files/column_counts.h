#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace ingot::data {

/// How many records hold something in a column.
using ColumnCounts = std::map<std::string, uint64_t>;

/// Adds to the count of a column. Beyond 200 columns, which may be names made up record by record, those behind the first 200 in the
/// order of their names share one entry: so counts do not depend on the order in which they are added, or are added up.
void count_column(ColumnCounts& counts, const std::string& column, uint64_t records = 1);

}  // namespace ingot::data
