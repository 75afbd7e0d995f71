#include "data/files/json_field.h"

#include <fmt/format.h>

#include "core/error.h"

namespace ingot::data {
namespace {

constexpr size_t kDeepestField = 64;

/// The value, or the refusal of one that is not `wanted`.
template <class Value>
Value value_or_refuse(simdjson::simdjson_result<Value> result, const JsonField& field, const char* wanted) {
  Value value;
  if (std::move(result).get(value) != simdjson::SUCCESS) field.refuse(fmt::format("wanted {}", wanted));
  return value;
}

}  // namespace

void JsonField::refuse(const std::string& message) const { throw DataError(fmt::format("{}: {}", place_, message)); }

std::optional<JsonField> JsonField::find(std::string_view name) const {
  simdjson::dom::element member;
  if (object().at_key(name).get(member) != simdjson::SUCCESS || member.is_null()) return std::nullopt;
  return JsonField(member, fmt::format("{}: {}", place_, name));
}

JsonField JsonField::at(std::string_view name) const {
  if (auto member = find(name)) return *member;
  refuse(fmt::format("{} is missing", name));
}

std::string_view JsonField::text() const { return value_or_refuse(value_.get_string(), *this, "a string"); }
bool JsonField::flag() const { return value_or_refuse(value_.get_bool(), *this, "true or false"); }
int64_t JsonField::integer() const { return value_or_refuse(value_.get_int64(), *this, "an integer"); }
double JsonField::number() const { return value_or_refuse(value_.get_double(), *this, "a number"); }
simdjson::dom::array JsonField::array() const { return value_or_refuse(value_.get_array(), *this, "an array"); }
simdjson::dom::object JsonField::object() const { return value_or_refuse(value_.get_object(), *this, "an object"); }

std::string JsonField::text_or(std::string_view name, std::string_view otherwise) const {
  const auto member = find(name);
  return std::string(member ? member->text() : otherwise);
}

bool JsonField::flag_or(std::string_view name, bool otherwise) const {
  const auto member = find(name);
  return member ? member->flag() : otherwise;
}

JsonField parse_json_text(simdjson::dom::parser& parser, const NamedText& file) {
  const auto& [text, source] = file;
  auto error = parser.allocate(text.size(), kDeepestField);
  simdjson::dom::element root;
  if (error == simdjson::SUCCESS) error = parser.parse(text).get(root);
  if (error != simdjson::SUCCESS)
    throw DataError(fmt::format("{}: not valid JSON: {}", source, simdjson::error_message(error)));
  return JsonField(root, source);
}

}  // namespace ingot::data
