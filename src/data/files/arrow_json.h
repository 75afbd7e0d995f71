#pragma once

#include <arrow/array.h>

#include <string>

namespace ingot::data {

/// What bytes become: a text, or where they are no UTF-8 {"bytes": "\\xFF ..."}; or, for people, always a text with \xNN for
/// what is not printable ASCII.
enum class Bytes { kText, kShown };

/// Appends element `i` of an array as JSON: numbers and decimals as numbers (NaN and infinities as null), maps and
/// structs as objects, timestamps as "2009-03-01 00:00:00" with the zeros at the end of their fraction cut and +00 behind
/// those of a time zone, other kinds as Arrow prints them. Throws DataError when a string is not UTF-8.
void append_json(const arrow::Array& array, int64_t i, Bytes as, std::string& out);

/// Appends `text` as a JSON string.
void append_json_string(std::string_view text, std::string& out);

}  // namespace ingot::data
