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

/// What a message's or a record's reasoning is called.
inline const std::vector<std::string> kReasoningFields{"reasoning_content", "reasoning",        "thinking",    "thought", "thoughts", "think",
                                                       "cot",               "chain_of_thought", "Complex_CoT", "reasoning_details"};

/// The reasoning of an answer that says `content`, under one of those names: a text, or OpenRouter's details, a list of objects with a
/// text. A flag of that name is none, nor is a thought that an agent's content repeats. Throws RecordError where two differ.
std::string reasoning_in(const JsonValue& object, std::string_view content);

/// True for a cell that says nothing: blank, or what tables write for it ("null", "None", "nan").
bool is_blank_cell(std::string_view text);

/// A list, or the list that a text states; empty when absent, null or a blank cell. "NAME are no JSON list" else.
std::vector<JsonValue> optional_list(const JsonValue& object, std::string_view name);

}  // namespace ingot::data
