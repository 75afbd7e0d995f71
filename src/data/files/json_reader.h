#pragma once

#include <memory>
#include <string>

#include "data/files/json_items.h"
#include "data/files/record_reader.h"

namespace ingot::data {

/// Reads a string column of JSON objects. Throws DataError naming the keys present when no object has the column, as
/// soon as 10,000 objects were seen without it.
std::unique_ptr<TextReader> open_json_reader(std::unique_ptr<JsonItems> items, const std::string& column);

}  // namespace ingot::data
