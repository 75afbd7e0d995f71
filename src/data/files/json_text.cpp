#include "data/files/json_text.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <set>

#include "data/files/byte_window.h"

namespace ingot::data {
namespace {

namespace od = simdjson::ondemand;
constexpr int kDeepestText = 256;
constexpr size_t kMaxKeysNamed = 20;

const char* type_name(od::json_type type) {
  switch (type) {
    case od::json_type::array: return "an array";
    case od::json_type::object: return "an object";
    case od::json_type::number: return "a number";
    case od::json_type::string: return "a string";
    case od::json_type::boolean: return "a boolean";
    case od::json_type::null: break;
  }
  return "null";
}

/// A text of a JSON string. simdjson lets a lone low surrogate through as bytes that are not UTF-8.
std::string_view checked_text(std::string_view text) {
  if (!simdjson::validate_utf8(text.data(), text.size())) throw simdjson::simdjson_error(simdjson::STRING_ERROR);
  return text;
}

std::string_view raw_token(od::value& value) { return value.raw_json_token(); }
std::string_view raw_token(od::document& document) { return document.raw_json_token().value(); }

/// A number is whatever JSON's grammar calls one, of any size: its text is what counts.
void check_number(std::string_view token) {
  while (!token.empty() && std::string_view(" \t\r\n").find(token.back()) != std::string_view::npos) token.remove_suffix(1);
  const auto digits = [&] {
    const size_t length = std::min(token.find_first_not_of("0123456789"), token.size());
    token.remove_prefix(length);
    return length;
  };
  const auto skip = [&](std::string_view any) {
    const bool there = !token.empty() && any.find(token.front()) != std::string_view::npos;
    if (there) token.remove_prefix(1);
    return there;
  };
  skip("-");
  bool sound = token.starts_with('0') ? skip("0") : digits() > 0;
  if (skip(".")) sound = digits() > 0 && sound;
  if (skip("eE")) {
    skip("+-");
    sound = digits() > 0 && sound;
  }
  if (!sound || !token.empty()) throw simdjson::simdjson_error(simdjson::NUMBER_ERROR);
}

/// On-demand parsing checks only what it visits, so everything is visited. `Value` is a value or a document. True when it
/// holds something: it is no null and not empty.
template <class Value>
bool check_value(Value&& value, int depth) {
  if (depth > kDeepestText) throw simdjson::simdjson_error(simdjson::DEPTH_ERROR);
  bool holds = false;
  switch (value.type().value()) {
    case od::json_type::array:
      for (auto element : value.get_array()) check_value(element.value(), depth + 1), holds = true;
      return holds;
    case od::json_type::object:
      for (auto field : value.get_object()) {
        checked_text(field.unescaped_key().value());
        check_value(field.value().value(), depth + 1);
        holds = true;
      }
      return holds;
    case od::json_type::string: return !checked_text(value.get_string().value()).empty();
    case od::json_type::number: check_number(raw_token(value)); return true;
    case od::json_type::boolean: value.get_bool().value(); return true;
    case od::json_type::null:
      if (!value.is_null()) throw simdjson::simdjson_error(simdjson::N_ATOM_ERROR);
  }
  return false;
}

std::string describe(const simdjson::simdjson_error& error) {
  switch (error.error()) {
    case simdjson::UTF8_ERROR: return "invalid UTF-8";
    case simdjson::STRING_ERROR: return "JSON string with a bad escape or a lone surrogate";
    case simdjson::EMPTY: return "not valid JSON: empty";
    case simdjson::UNCLOSED_STRING: return "not valid JSON: a string is not closed";
    case simdjson::UNESCAPED_CHARS: return "not valid JSON: a control character in a string";
    case simdjson::DEPTH_ERROR: return fmt::format("JSON nested deeper than {} levels", kDeepestText);
    default: return "not valid JSON";
  }
}

/// Visits the fields of one object and takes the wanted one.
struct FieldVisitor {
  const std::string& column;
  TextRecord& record;
  bool present = false;
  std::vector<std::string> keys = {};         // the first others
  std::vector<std::string_view> filled = {};  // others that hold something; they live as long as the document

  void visit(od::field& field) {
    const std::string_view key = checked_text(field.unescaped_key().value());
    if (key == column) return take(field.value());
    if (keys.size() < kMaxKeysNamed) keys.emplace_back(key);
    if (check_value(field.value(), 1)) filled.push_back(key);
  }
  void take(od::value value) {
    const od::json_type type = value.type();
    present = true;
    if (type == od::json_type::string) {
      record.problem.clear();
      record.text = checked_text(value.get_string().value());
    } else {
      record.problem = fmt::format("column {} is {}", column, type_name(type));
      record.text.clear();
      check_value(value, 1);
    }
  }
};

}  // namespace

struct JsonText::Parser {
  od::parser parser{2 * kMaxRecordBytes};

  /// The problem that makes the whole record unusable; empty when the visitor saw a sound object.
  std::string visit(std::string_view json, FieldVisitor& visitor) {
    try {
      od::document document = parser.iterate(json.data(), json.size(), json.size() + kPadding);
      const od::json_type type = document.type();
      if (type != od::json_type::object) return fmt::format("record is {}, not an object", type_name(type));
      for (od::field field : document.get_object()) visitor.visit(field);
      return document.current_location().error() ? "" : "not valid JSON: text behind the object";
    } catch (const simdjson::simdjson_error& error) {
      return describe(error);
    }
  }
};

JsonText::JsonText(std::string column) : parser_(std::make_unique<Parser>()), column_(std::move(column)) {}
JsonText::~JsonText() = default;

void JsonText::extract(std::string_view json, TextRecord& record) {
  static_assert(kPadding >= simdjson::SIMDJSON_PADDING);
  FieldVisitor visitor{column_, record};
  const std::string problem = parser_->visit(json, visitor);
  if (!problem.empty()) {
    record.text.clear();
    record.problem = problem;
    return;
  }
  ++(visitor.present ? num_present_ : num_missing_);
  if (visitor.present) {
    const std::set<std::string_view> filled(visitor.filled.begin(), visitor.filled.end());  // a key may stand twice
    if (record.problem.empty())
      for (const auto column : filled) count_column(unused_, std::string(column));
    return;
  }
  record.problem = fmt::format("no column {}", column_);
  if (keys_present_.empty()) keys_present_ = std::move(visitor.keys);
}

/// On-demand documents that are scalars are read by the DOM, which takes them like any other value.
std::string scalar_problem(std::string_view json) {
  const size_t first = json.find_first_not_of(" \t\r\n");
  if (first != json.npos && std::string_view("-0123456789").find(json[first]) != std::string_view::npos) {
    check_number(json.substr(first));
    return "";
  }
  simdjson::dom::parser parser;
  return parser.parse(json.data(), json.size(), /*realloc_if_needed=*/false).error() ? "not valid JSON" : "";
}

std::string json_problem(std::string_view json, bool scalars) {
  try {
    od::parser parser(2 * kMaxRecordBytes);
    od::document document = parser.iterate(json.data(), json.size(), json.size() + kPadding);
    if (document.is_scalar()) return scalars ? scalar_problem(json) : "a scalar, not an object";
    check_value(document, 0);
    return document.current_location().error() ? "" : "not valid JSON: text behind the value";
  } catch (const simdjson::simdjson_error& error) {
    return describe(error);
  }
}

}  // namespace ingot::data
