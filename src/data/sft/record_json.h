#pragma once

#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>

namespace ingot::data {

/// Access to the JSON of a record whose failures are a RecordError. `name` is a column's or tag's name, for reasons.

/// The member of that name, of several the last; absent when there is none or it is null.
std::optional<simdjson::dom::element> find_member(simdjson::dom::object object, std::string_view name);

/// The same, which has to be there: "no column NAME".
simdjson::dom::element require_member(simdjson::dom::object object, std::string_view name);

std::string text_of(simdjson::dom::element value, std::string_view name);
simdjson::dom::array array_of(simdjson::dom::element value, std::string_view name);
simdjson::dom::object object_of(simdjson::dom::element value, std::string_view name);

/// A text; empty when the member is absent or null.
std::string optional_text(simdjson::dom::object object, std::string_view name);

/// A list or object as JSON; a text as it is; empty when absent, null, or of nothing ("[]", "{}", blanks).
std::string optional_json(simdjson::dom::object object, std::string_view name);

}  // namespace ingot::data
