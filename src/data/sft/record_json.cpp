#include "data/sft/record_json.h"

#include <fmt/format.h>

#include "data/sft/record_error.h"

namespace ingot::data {
namespace dom = simdjson::dom;
namespace {

const char* type_name(dom::element value) {
  switch (value.type()) {
    case dom::element_type::ARRAY: return "a list";
    case dom::element_type::OBJECT: return "an object";
    case dom::element_type::STRING: return "text";
    case dom::element_type::BOOL: return "true or false";
    case dom::element_type::NULL_VALUE: return "null";
    default: return "a number";
  }
}

template <class Value>
Value value_of(dom::element value, std::string_view name, const char* wanted) {
  Value result;
  if (value.get(result) != simdjson::SUCCESS)
    throw RecordError(fmt::format("{} is {}, not {}", name, type_name(value), wanted));
  return result;
}

}  // namespace

std::optional<dom::element> find_member(dom::object object, std::string_view name) {
  std::optional<dom::element> found;
  for (const auto [key, value] : object)
    if (key == name) found = value;
  return found && !found->is_null() ? found : std::nullopt;
}

dom::element require_member(dom::object object, std::string_view name) {
  if (const auto member = find_member(object, name)) return *member;
  throw RecordError(fmt::format("no {}", name));
}

std::string text_of(dom::element value, std::string_view name) {
  const auto text = value_of<std::string_view>(value, name, "text");
  // The parser lets a lone low surrogate through as bytes that are not UTF-8.
  if (!simdjson::validate_utf8(text.data(), text.size())) throw RecordError(fmt::format("{} is not UTF-8", name));
  return std::string(text);
}

dom::array array_of(dom::element value, std::string_view name) { return value_of<dom::array>(value, name, "a list"); }
dom::object object_of(dom::element value, std::string_view name) { return value_of<dom::object>(value, name, "an object"); }

std::string optional_text(dom::object object, std::string_view name) {
  const auto member = find_member(object, name);
  return member ? text_of(*member, name) : std::string();
}

std::string optional_json(dom::object object, std::string_view name) {
  const auto member = find_member(object, name);
  if (!member) return {};
  const std::string text = member->is_string() ? text_of(*member, name) : simdjson::minify(*member);
  return text.find_first_not_of(" \t\r\n[]{}") == std::string::npos ? std::string() : text;
}

}  // namespace ingot::data
