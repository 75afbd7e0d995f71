#include "data/chat/python_json.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <utility>

namespace ingot::data {
namespace {

/// A decimal number without a spelling: digits times ten to the exponent, no zero at either end of the digits.
struct Decimal {
  bool negative = false;
  std::string digits;
  long long exponent = 0;
  bool operator==(const Decimal&) const = default;
};

Decimal decimal_of(std::string_view number) {
  Decimal read;
  read.negative = number.starts_with('-');
  const size_t e = number.find_first_of("eE"), point = number.find('.');
  const std::string_view mantissa = number.substr(0, e);
  for (const char c : mantissa)
    if (c >= '0' && c <= '9') read.digits += c;
  if (e != std::string_view::npos) read.exponent = std::strtoll(std::string(number.substr(e + 1)).c_str(), nullptr, 10);
  if (point < mantissa.size()) read.exponent -= static_cast<long long>(mantissa.size() - point - 1);
  read.digits.erase(0, read.digits.find_first_not_of('0'));  // all of them when they are zeros
  while (read.digits.ends_with('0')) read.digits.pop_back(), ++read.exponent;
  if (read.digits.empty()) read.exponent = 0;
  return read;
}

class PythonJson {
 public:
  explicit PythonJson(int indent) : indent_(indent) {}

  void write(const JsonValue& value, int depth) {
    switch (value.kind) {
      case JsonValue::Kind::kObject: return write_items(value, depth, '{', '}');
      case JsonValue::Kind::kList: return write_items(value, depth, '[', ']');
      case JsonValue::Kind::kText: text_ += quoted_json(value.text); return;
      case JsonValue::Kind::kNumber: text_ += python_number(value.text); return;
      case JsonValue::Kind::kBool: text_ += value.text; return;
      case JsonValue::Kind::kNull: text_ += "null"; return;
    }
  }

  std::string take() { return std::move(text_); }

 private:
  void write_items(const JsonValue& value, int depth, char open, char close) {
    text_ += open;
    for (size_t i = 0; i < value.items.size(); ++i) {
      if (i > 0) text_ += indent_ < 0 ? ", " : ",";
      break_line(depth + 1);
      if (value.is_object()) text_ += quoted_json(value.keys[i]) + ": ";
      write(value.items[i], depth + 1);
    }
    if (!value.items.empty()) break_line(depth);
    text_ += close;
  }

  void break_line(int depth) {
    if (indent_ >= 0) text_.append("\n").append(static_cast<size_t>(indent_ * depth), ' ');
  }

  int indent_;
  std::string text_;
};

}  // namespace

std::string python_number(const std::string& number) {
  if (number.find_first_of(".eE") == std::string::npos) return number == "-0" ? "0" : number;
  const double value = std::strtod(number.c_str(), nullptr);
  if (!std::isfinite(value)) return number;
  std::string shortest = fmt::format("{}", value);
  if (decimal_of(shortest) != decimal_of(number)) return number;
  return shortest.find_first_of(".e") == std::string::npos ? shortest + ".0" : shortest;
}

std::string python_json(const JsonValue& value, int indent) {
  PythonJson writer(indent);
  writer.write(value, 0);
  return writer.take();
}

}  // namespace ingot::data
