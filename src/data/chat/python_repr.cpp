#include "data/chat/python_repr.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include "data/chat/python_json.h"
#include "data/tokenizer/utf8.h"

namespace ingot::data {
namespace {

/// Python's str.isprintable of one character.
bool is_printable(char32_t c) {
  if (c == ' ') return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS: return false;
    default: return true;
  }
}

std::string escaped(char32_t c) {
  const auto code = static_cast<uint32_t>(c);
  if (c == '\n') return "\\n";
  if (c == '\r') return "\\r";
  if (c == '\t') return "\\t";
  return code <= 0xFF ? fmt::format("\\x{:02x}", code) : code <= 0xFFFF ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
}

std::string repr_of_text(const std::string& text) {
  const char quote = text.find('\'') != std::string::npos && text.find('"') == std::string::npos ? '"' : '\'';
  std::string repr(1, quote);
  for (size_t at = 0; at < text.size();) {
    const char32_t c = utf8_code_point(text.data() + at);
    const size_t length = utf8_length(text[at]);
    if (c == '\\' || c == static_cast<char32_t>(quote)) (repr += '\\') += static_cast<char>(c);
    else if (is_printable(c)) repr.append(text, at, length);
    else repr += escaped(c);
    at += length;
  }
  return repr + quote;
}

std::string repr_of_items(const JsonValue& value) {
  std::string repr;
  for (size_t i = 0; i < value.items.size(); ++i) {
    if (i > 0) repr += ", ";
    if (value.is_object()) repr += repr_of_text(value.keys[i]) + ": ";
    repr += python_repr(value.items[i]);
  }
  return repr;
}

}  // namespace

std::string python_repr(const JsonValue& value) {
  switch (value.kind) {
    case JsonValue::Kind::kObject: return "{" + repr_of_items(value) + "}";
    case JsonValue::Kind::kList: return "[" + repr_of_items(value) + "]";
    case JsonValue::Kind::kText: return repr_of_text(value.text);
    case JsonValue::Kind::kNumber: return python_number(value.text);
    case JsonValue::Kind::kBool: return value.text == "true" ? "True" : "False";
    case JsonValue::Kind::kNull: break;
  }
  return "None";
}

}  // namespace ingot::data
