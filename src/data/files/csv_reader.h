#pragma once

#include <memory>
#include <string>

#include "data/files/csv_rows.h"
#include "data/files/record_reader.h"

namespace ingot::data {

/// Reads one column of a file whose first row names the columns. A row with another number of fields is a problem
/// record. Throws DataError naming the columns when `column` is not among them.
std::unique_ptr<TextReader> open_csv_reader(CsvRows rows, const std::string& column);

}  // namespace ingot::data
