#include "core/json_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace ingot {
namespace {

using Kind = JsonValue::Kind;
constexpr size_t kDeepestValue = 1024;

void append_utf8(uint32_t code, std::string& to) {
  const auto tail = [&](int shift) { to += static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) to += static_cast<char>(code);
  else if (code < 0x800) to += static_cast<char>(0xC0 | (code >> 6)), tail(0);
  else if (code < 0x10000) to += static_cast<char>(0xE0 | (code >> 12)), tail(6), tail(0);
  else to += static_cast<char>(0xF0 | (code >> 18)), tail(12), tail(6), tail(0);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class JsonParser {
 public:
  JsonParser(std::string_view json, const std::string& name) : json_(json), name_(name) {}

  JsonValue parse_all() {
    JsonValue value = parse(0);
    skip_space();
    if (at_ != json_.size()) fail("text behind the value");
    return value;
  }

 private:
  JsonValue parse(size_t depth) {
    skip_space();
    switch (peek()) {
      case '{': return parse_object(depth + 1);
      case '[': return parse_list(depth + 1);
      case '"': return {Kind::kText, parse_text(), {}, {}};
      case 't': return word("true", Kind::kBool);
      case 'f': return word("false", Kind::kBool);
      case 'n': return word("null", Kind::kNull);
      default: return {Kind::kNumber, parse_number(), {}, {}};
    }
  }

  JsonValue parse_list(size_t depth) {
    JsonValue list{Kind::kList, {}, {}, {}};
    open(depth);
    while (!closes(']', list.items.empty())) list.items.push_back(parse(depth));
    return list;
  }

  JsonValue parse_object(size_t depth) {
    JsonValue object{Kind::kObject, {}, {}, {}};
    open(depth);
    while (!closes('}', object.items.empty())) {
      skip_space();
      if (peek() != '"') fail("a key without quotes");
      object.keys.push_back(parse_text());
      skip_space();
      if (peek() != ':') fail("a key without a colon");
      ++at_;
      object.items.push_back(parse(depth));
    }
    keep_last_of_each_key(object);
    return object;
  }

  void open(size_t depth) {
    if (depth > kDeepestValue) throw DataError(fmt::format("{}: JSON nested deeper than {} levels", name_, kDeepestValue));
    ++at_;
  }

  /// Takes the closing bracket, or the comma in front of the next item.
  bool closes(char bracket, bool first) {
    skip_space();
    const bool closing = peek() == bracket;
    if (!closing && !first && peek() != ',') fail("no comma between two values");
    if (closing || !first) ++at_;
    return closing;
  }

  static void keep_last_of_each_key(JsonValue& object) {
    auto& keys = object.keys;
    std::vector<size_t> order(keys.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return keys[a] < keys[b]; });
    std::vector<bool> drop(keys.size());
    for (size_t i = 0; i + 1 < order.size(); ++i) {
      if (keys[order[i]] != keys[order[i + 1]]) continue;
      std::swap(object.items[order[i]], object.items[order[i + 1]]);
      drop[order[i + 1]] = true;
      order[i + 1] = order[i];
    }
    size_t kept = 0;
    for (size_t i = 0; i < keys.size(); ++i) {
      if (drop[i]) continue;
      if (kept != i) keys[kept] = std::move(keys[i]), object.items[kept] = std::move(object.items[i]);
      ++kept;
    }
    keys.resize(kept), object.items.resize(kept);
  }

  std::string parse_number() {
    const size_t begin = at_;
    if (peek() == '-') ++at_;
    if (peek() == '0') ++at_;
    else digits();
    if (peek() == '.') ++at_, digits();
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      digits();
    }
    return std::string(json_.substr(begin, at_ - begin));
  }

  void digits() {
    if (!is_digit(peek())) fail("no JSON value");
    while (is_digit(peek())) ++at_;
  }

  std::string parse_text() {
    std::string text;
    for (++at_; peek() != '"';) {
      const auto c = static_cast<unsigned char>(peek());
      if (at_ >= json_.size()) fail("a text without its end");
      if (c < 0x20) fail("a control character in a text");
      if (c == '\\') append_escape(text);
      else if (c < 0x80) text += json_[at_++];
      else append_character(text);
    }
    ++at_;
    return text;
  }

  void append_escape(std::string& text) {
    constexpr std::string_view kNames = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
    const char name = at_ + 1 < json_.size() ? json_[at_ + 1] : '\0';
    at_ += 2;
    if (name == 'u') return append_utf8(escaped_code_point(), text);
    const size_t found = kNames.find(name);
    if (found == std::string_view::npos) fail("an unknown escape");
    text += kMeant[found];
  }

  uint32_t escaped_code_point() {
    const uint32_t high = four_hex();
    if (high < 0xD800 || high > 0xDFFF) return high;
    const bool pair = high < 0xDC00 && json_.substr(at_, 2) == "\\u";
    if (pair) at_ += 2;
    const uint32_t low = pair ? four_hex() : 0;
    if (low < 0xDC00 || low > 0xDFFF) fail("a lone surrogate");
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
  }

  uint32_t four_hex() {
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek(), lower = static_cast<char>(c | 0x20);
      if (is_digit(c)) value = value * 16 + static_cast<uint32_t>(c - '0');
      else if (lower >= 'a' && lower <= 'f') value = value * 16 + static_cast<uint32_t>(lower - 'a' + 10);
      else fail("no four hexadecimal digits behind \\u");
    }
    return value;
  }

  /// One character beyond ASCII, UTF-8 in its shortest form.
  void append_character(std::string& text) {
    const auto byte = [&](size_t i) { return at_ + i < json_.size() ? static_cast<unsigned char>(json_[at_ + i]) : 0U; };
    const uint32_t first = byte(0);
    const size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    bool valid = length > 0;
    for (size_t i = 1; i < length; ++i) valid = valid && (byte(i) & 0xC0) == 0x80;
    const uint32_t second = byte(1);
    valid = valid && !(first == 0xE0 && second < 0xA0) && !(first == 0xED && second > 0x9F) &&
            !(first == 0xF0 && second < 0x90) && !(first == 0xF4 && second > 0x8F);
    if (!valid) fail("bytes that are not UTF-8");
    text.append(json_.substr(at_, length));
    at_ += length;
  }

  JsonValue word(std::string_view expected, Kind kind) {
    if (json_.substr(at_, expected.size()) != expected) fail("no JSON value");
    at_ += expected.size();
    return {kind, kind == Kind::kNull ? "" : std::string(expected), {}, {}};
  }

  char peek() const { return at_ < json_.size() ? json_[at_] : '\0'; }
  void skip_space() {
    while (at_ < json_.size() && std::string_view(" \t\r\n").find(json_[at_]) != std::string_view::npos) ++at_;
  }
  [[noreturn]] void fail(const char* what) const {
    throw DataError(fmt::format("{}: not valid JSON: {} at byte {}", name_, what, at_));
  }

  std::string_view json_;
  const std::string& name_;
  size_t at_ = 0;
};

}  // namespace

const JsonValue* JsonValue::find(std::string_view key) const {
  const auto found = std::find(keys.begin(), keys.end(), key);
  return found == keys.end() ? nullptr : &items[static_cast<size_t>(found - keys.begin())];
}

JsonValue parse_json_value(std::string_view json, const std::string& name) { return JsonParser(json, name).parse_all(); }

std::string quoted_json(std::string_view text) {
  constexpr std::string_view kSpecial = "\"\\\b\f\n\r\t", kNames = "\"\\bfnrt";
  std::string quoted = "\"";
  for (const char c : text) {
    const size_t found = kSpecial.find(c);
    if (found != std::string_view::npos) quoted += {'\\', kNames[found]};
    else if (static_cast<unsigned char>(c) < 0x20) quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else quoted += c;
  }
  return quoted + '"';
}

}  // namespace ingot
