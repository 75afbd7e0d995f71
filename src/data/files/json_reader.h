#pragma once

#include <memory>
#include <string>

#include "data/files/json_items.h"
#include "data/files/record_reader.h"

namespace ingot::data {

/// Which of the objects of a file are read.
enum class Share { kAll, kFirst, kFurther };

/// Reads a string column of JSON objects. Throws DataError naming the keys present when no object has the column, as
/// soon as 10,000 objects were seen without it. Where not all are read, the others may have it: of the first ones it is refused after
/// 10,000 alone, of further ones not at all.
std::unique_ptr<TextReader> open_json_reader(std::unique_ptr<JsonItems> items, const std::string& column, Share share = Share::kAll);

}  // namespace ingot::data
