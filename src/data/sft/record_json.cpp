#include "data/sft/record_json.h"

#include <fmt/format.h>

#include "data/sft/record_error.h"

namespace ingot::data {
namespace {

using Kind = JsonValue::Kind;

const char* type_name(const JsonValue& value) {
  switch (value.kind) {
    case Kind::kList: return "a list";
    case Kind::kObject: return "an object";
    case Kind::kText: return "text";
    case Kind::kBool: return "true or false";
    case Kind::kNull: return "null";
    default: return "a number";
  }
}

const JsonValue& expect(Kind kind, const JsonValue& value, std::string_view name, const char* wanted) {
  if (value.kind != kind) throw RecordError(fmt::format("{} is {}, not {}", name, type_name(value), wanted));
  return value;
}

constexpr const char* kDetails = "reasoning_details";

std::string text_of_details(const JsonValue& details) {
  std::string text;
  for (const JsonValue& detail : list_of(details, kDetails)) text += optional_text(detail, "text");
  if (text.empty() && !details.items.empty()) throw RecordError(fmt::format("{} hold no text; ignore_fields: [{}] trains without them", kDetails, kDetails));
  return text;
}

}  // namespace

bool is_blank_cell(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return true;
  const std::string_view word = text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
  return word == "null" || word == "None" || word == "nan" || word == "NaN";
}

const JsonValue* find_member(const JsonValue& object, std::string_view name) {
  const JsonValue* found = object.find(name);
  return found && !found->is_null() ? found : nullptr;
}

const JsonValue& require_member(const JsonValue& object, std::string_view name) {
  if (const auto* member = find_member(object, name)) return *member;
  throw RecordError(fmt::format("no {}", name));
}

const std::string& text_of(const JsonValue& value, std::string_view name) {
  return expect(Kind::kText, value, name, "text").text;
}

const std::vector<JsonValue>& list_of(const JsonValue& value, std::string_view name) {
  return expect(Kind::kList, value, name, "a list").items;
}

const JsonValue& object_of(const JsonValue& value, std::string_view name) {
  return expect(Kind::kObject, value, name, "an object");
}

std::string optional_text(const JsonValue& object, std::string_view name) {
  const auto* member = find_member(object, name);
  return member ? text_of(*member, name) : std::string();
}

std::string optional_name(const JsonValue& object, std::string_view name) {
  const auto* member = find_member(object, name);
  return member && member->kind == Kind::kNumber ? member->text : optional_text(object, name);
}

std::string reasoning_in(const JsonValue& object, std::string_view content) {
  std::string reasoning;
  for (const auto& name : kReasoningFields) {
    const JsonValue* found = find_member(object, name);
    if (!found || found->kind == Kind::kBool || found->kind == Kind::kNumber) continue;
    if (name == kDetails) {
      if (reasoning.empty()) reasoning = text_of_details(*found);
      continue;
    }
    const std::string& text = text_of(*found, name);
    const bool is_repeated = name.starts_with("thought") && content.find(text) != std::string_view::npos;
    if (text.empty() || text == reasoning || is_repeated) continue;
    if (!reasoning.empty()) throw RecordError(fmt::format("two reasonings of an answer differ; ignore_fields: [{}] trains the other", name));
    reasoning = text;
  }
  return reasoning;
}

std::vector<JsonValue> optional_list(const JsonValue& object, std::string_view name) {
  const auto* member = find_member(object, name);
  if (!member || (member->is_text() && is_blank_cell(member->text))) return {};
  const auto refuse = [&] { throw RecordError(fmt::format("{} are no JSON list", name)); };
  JsonValue list = *member;
  try {
    if (list.is_text()) list = parse_json_value(list.text, std::string(name));
  } catch (const DataError&) {
    refuse();
  }
  if (list.is_null() || (list.is_object() && list.items.empty())) return {};
  if (!list.is_list()) refuse();
  return std::move(list.items);
}

}  // namespace ingot::data
