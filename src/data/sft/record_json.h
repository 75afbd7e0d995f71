#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json_value.h"

namespace ingot::data {

/// Access to the JSON of a record whose failures are a RecordError. `name` is a column's or tag's name, for reasons.

/// The member of that name; a null pointer when there is none or it is null.
const JsonValue* find_member(const JsonValue& object, std::string_view name);

/// The same, which has to be there: "no NAME".
const JsonValue& require_member(const JsonValue& object, std::string_view name);

const std::string& text_of(const JsonValue& value, std::string_view name);
const std::vector<JsonValue>& list_of(const JsonValue& value, std::string_view name);
const JsonValue& object_of(const JsonValue& value, std::string_view name);

/// A text; empty when the member is absent or null.
std::string optional_text(const JsonValue& object, std::string_view name);
/// The same of a name or id, which may also be a number.
std::string optional_name(const JsonValue& object, std::string_view name);

/// A list, or the list that a text states; empty when absent, null or blank. "NAME are no JSON list" else.
std::vector<JsonValue> optional_list(const JsonValue& object, std::string_view name);

}  // namespace ingot::data
