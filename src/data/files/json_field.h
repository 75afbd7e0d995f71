#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/folder_files.h"

namespace ingot::data {

/// A value of a big JSON document with its place, so that messages name it. Every getter throws DataError for a
/// value of another kind. The document has to outlive it.
class JsonField {
 public:
  JsonField(simdjson::dom::element value, std::string place) : value_(value), place_(std::move(place)) {}

  /// The member of that name; absent when there is none or it is null.
  std::optional<JsonField> find(std::string_view name) const;
  /// The member of that name, which has to be there.
  JsonField at(std::string_view name) const;

  std::string_view text() const;
  bool flag() const;
  int64_t integer() const;
  double number() const;
  simdjson::dom::array array() const;
  simdjson::dom::object object() const;

  std::string text_or(std::string_view name, std::string_view otherwise) const;
  bool flag_or(std::string_view name, bool otherwise) const;
  bool is_text() const { return value_.is_string(); }

  /// Throws DataError: PLACE: `message`.
  [[noreturn]] void refuse(const std::string& message) const;
  const std::string& place() const { return place_; }

 private:
  simdjson::dom::element value_;
  std::string place_;
};

/// Parses a text into `parser`, which keeps the document. Throws DataError when it is not JSON or nests deeper than 64 levels.
JsonField parse_json_text(simdjson::dom::parser& parser, const NamedText& file);

}  // namespace ingot::data
