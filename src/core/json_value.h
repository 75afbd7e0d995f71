#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ingot {

/// A JSON value that keeps the order of its keys and every number as it was written: digits never go through a double.
/// Of a key that occurs twice the last value counts, at the place of the first, as Python's dict has it.
struct JsonValue {
  enum class Kind { kNull, kBool, kNumber, kText, kList, kObject };
  Kind kind = Kind::kNull;
  std::string text;               // a text's UTF-8; a number as written; "true" or "false"
  std::vector<std::string> keys;  // [items]  of an object
  std::vector<JsonValue> items;   // of a list or an object

  bool is_text() const { return kind == Kind::kText; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_object() const { return kind == Kind::kObject; }
  bool is_null() const { return kind == Kind::kNull; }
  /// The value of that key; a null pointer when there is none, or this is no object.
  const JsonValue* find(std::string_view key) const;
  bool operator==(const JsonValue&) const = default;
};

/// Parses JSON (RFC 8259). Throws DataError with `name` in front when it is none, is not UTF-8 (a lone surrogate is not)
/// or nests deeper than 1,024 levels.
JsonValue parse_json_value(std::string_view json, const std::string& name);

/// A text with quotes and escapes, characters beyond ASCII as they are.
std::string quoted_json(std::string_view text);

}  // namespace ingot
