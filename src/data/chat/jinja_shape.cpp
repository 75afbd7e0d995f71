#include "data/chat/jinja_shape.h"

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

namespace ingot::data {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool is_quote(char c) { return c == '\'' || c == '"'; }

std::string_view stripped(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// The place behind the literal that begins at `at`.
size_t end_of_literal(std::string_view text, size_t at) {
  const char quote = text[at++];
  while (at < text.size() && text[at] != quote) at += text[at] == '\\' ? 2 : 1;
  return std::min(at + 1, text.size());
}

/// A literal's text, with its escapes undone.
std::string literal_text(std::string_view literal) {
  std::string text;
  for (size_t i = 1; i + 1 < literal.size(); ++i) {
    if (literal[i] != '\\' || i + 2 >= literal.size()) {
      text += literal[i];
      continue;
    }
    const char next = literal[++i];
    if (next == 'n') text += '\n';
    else if (next == 't') text += '\t';
    else if (next == 'r') text += '\r';
    else if (next == '\\' || is_quote(next)) text += next;
    else text += {'\\', next};
  }
  return text;
}

/// An expression without blanks that say nothing; `message.role` as `message['role']`; literals in single quotes.
std::string plain(std::string_view code) {
  std::string text;
  for (size_t i = 0; i < code.size();) {
    if (is_quote(code[i])) {
      const size_t end = end_of_literal(code, i);
      text += "'" + literal_text(code.substr(i, end - i)) + "'";
      i = end;
    } else if (kBlanks.find(code[i]) != kBlanks.npos) {
      const size_t next = std::min(code.find_first_not_of(kBlanks, i), code.size());
      if (!text.empty() && is_word(text.back()) && next < code.size() && is_word(code[next])) text += ' ';
      i = next;
    } else {
      text += code[i++];
    }
  }
  for (const std::string name : {"role", "content"})
    for (size_t at = text.find("." + name); at != text.npos; at = text.find("." + name, at + 1))
      if (at + 1 + name.size() == text.size() || !is_word(text[at + 1 + name.size()])) text.replace(at, 1 + name.size(), "['" + name + "']");
  return text;
}

/// What an expression adds up: the parts between its outermost plus signs.
std::vector<std::string_view> terms_of(std::string_view code) {
  std::vector<std::string_view> terms;
  size_t begin = 0;
  int depth = 0;
  for (size_t i = 0; i < code.size(); ++i) {
    if (is_quote(code[i])) i = end_of_literal(code, i) - 1;
    else if (code[i] == '(' || code[i] == '[' || code[i] == '{') ++depth;
    else if (code[i] == ')' || code[i] == ']' || code[i] == '}') --depth;
    else if (code[i] == '+' && depth == 0) terms.push_back(code.substr(begin, i - begin)), begin = i + 1;
  }
  terms.push_back(code.substr(begin));
  return terms;
}

/// A sum in the making; literals beside each other are one.
class Sum {
 public:
  void add_literal(std::string_view text) {
    if (text.empty()) return;
    if (ends_in_literal_) text_.pop_back();
    else text_ += text_.empty() ? "'" : "+'";
    text_.append(text).push_back('\'');
    ends_in_literal_ = true;
  }
  void add(std::string_view code) {
    for (const auto term : terms_of(code)) {
      const auto bare = stripped(term);
      if (!bare.empty() && is_quote(bare[0]) && end_of_literal(bare, 0) == bare.size()) add_literal(literal_text(bare));
      else text_ += (text_.empty() ? "" : "+") + plain(bare), ends_in_literal_ = false;
    }
  }
  std::string take() {
    ends_in_literal_ = false;
    return std::exchange(text_, {});
  }

 private:
  std::string text_;
  bool ends_in_literal_ = false;
};

/// The place of a tag's closing mark, which no literal holds.
size_t end_of_tag(std::string_view text, std::string_view mark, bool comment) {
  for (size_t i = 2; i < text.size(); ++i) {
    if (text.substr(i).starts_with(mark)) return i;
    if (!comment && is_quote(text[i])) i = end_of_literal(text, i) - 1;
  }
  return text.npos;
}

class Shape {
 public:
  explicit Shape(std::string_view jinja) : jinja_(jinja.ends_with('\n') ? jinja.substr(0, jinja.size() - 1) : jinja) {}

  std::string take() {
    while (at_ < jinja_.size()) {
      const size_t open = std::min({jinja_.find("{{", at_), jinja_.find("{%", at_), jinja_.find("{#", at_), jinja_.size()});
      take_raw(open);
      at_ = open;
      if (at_ < jinja_.size()) take_tag();
    }
    flush();
    return std::move(shape_);
  }

 private:
  void take_raw(size_t end);
  void take_tag();
  void take_control(std::string_view code);
  void flush() {
    if (const auto sum = sum_.take(); !sum.empty()) shape_ += "{{" + sum + "}}";
  }

  std::string_view jinja_;
  size_t at_ = 0;
  std::string shape_;
  Sum sum_;
};

/// Text up to the tag at `end`, without the blanks in front of it that go.
void Shape::take_raw(size_t end) {
  std::string_view text = jinja_.substr(at_, end - at_);
  const std::string_view tag = jinja_.substr(end, 3);
  if (tag.ends_with('-')) {
    text = text.substr(0, text.find_last_not_of(kBlanks) + 1);
  } else if (!tag.empty() && tag[1] != '{' && !tag.ends_with('+')) {  // lstrip_blocks: of a tag that begins its line
    const size_t last = end == 0 ? jinja_.npos : jinja_.find_last_not_of(" \t", end - 1);
    if (last == jinja_.npos || jinja_[last] == '\n') text = text.substr(0, text.find_last_not_of(" \t") + 1);
  }
  sum_.add_literal(text);
}

void Shape::take_tag() {
  const std::string_view tag = jinja_.substr(at_);
  const char kind = tag[1];
  const size_t end = end_of_tag(tag, kind == '{' ? "}}" : kind == '%' ? "%}" : "#}", kind == '#');
  at_ = end == tag.npos ? jinja_.size() : at_ + end + 2;
  if (end == tag.npos) return sum_.add_literal(tag);  // no Jinja
  std::string_view code = tag.substr(2, end - 2);
  if (code.ends_with('-')) {
    code.remove_suffix(1);
    at_ = std::min(jinja_.find_first_not_of(kBlanks, at_), jinja_.size());
  } else if (kind != '{' && jinja_.substr(at_).starts_with('\n')) {  // trim_blocks
    ++at_;
  }
  if (code.starts_with('-') || code.starts_with('+')) code.remove_prefix(1);
  code = stripped(code);
  if (kind == '{') sum_.add(code.starts_with("raise_exception(") ? "raise_exception()" : code);
  if (kind == '%') take_control(code);
}

void Shape::take_control(std::string_view code) {
  if (code == "generation" || code == "endgeneration") return;
  flush();
  const size_t equals = code.starts_with("set ") ? code.find('=') : code.npos;
  if (equals == code.npos) {
    shape_ += "{%" + plain(code) + "%}";
    return;
  }
  Sum value;
  value.add(stripped(code.substr(equals + 1)));
  shape_ += "{%" + plain(code.substr(0, equals)) + "=" + value.take() + "%}";
}

}  // namespace

std::string jinja_shape(std::string_view jinja) { return Shape(jinja).take(); }

}  // namespace ingot::data
