#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "data/tokenizer/text_pattern.h"

namespace ingot::data {
namespace {

constexpr std::string_view kWordClass = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";

/// Walks over an Oniguruma expression and writes PCRE2's spelling.
class Translation {
 public:
  Translation(std::string_view expression, const std::string& source) : in_(expression), source_(source) {}

  std::string run() {
    while (at_ < in_.size()) step();
    return std::move(out_);
  }

 private:
  void step() {
    if (in_[at_] == '\\') return escape();
    if (in_class_) return class_character();
    if (in_[at_] == '[') enter_class();
    else out_.push_back(in_[at_++]);
  }

  void enter_class() {
    in_class_ = true;
    out_.push_back(in_[at_++]);
    if (at_ < in_.size() && in_[at_] == '^') out_.push_back(in_[at_++]);
    if (at_ < in_.size() && in_[at_] == ']') out_ += "\\]", ++at_;
  }

  void class_character() {
    if (in_.substr(at_, 2) == "&&") refuse("&& in a class");
    if (in_.substr(at_, 2) == "[:") return posix_class();
    if (in_[at_] == '[') refuse("a class in a class");
    if (in_[at_] == ']') in_class_ = false;
    out_.push_back(in_[at_++]);
  }

  void posix_class() {
    const size_t end = in_.find(":]", at_);
    if (end == std::string_view::npos) refuse("[: without :]");
    out_ += in_.substr(at_, end + 2 - at_);
    at_ = end + 2;
  }

  void escape() {
    if (at_ + 1 >= in_.size()) refuse("a backslash at the end");
    const char kind = in_[at_ + 1];
    at_ += 2;
    switch (kind) {
      case 's': out_ += "\\p{White_Space}"; break;  // PCRE2's own \s has U+180E besides
      case 'S': out_ += "\\P{White_Space}"; break;
      case 'd': out_ += "\\p{Nd}"; break;
      case 'D': out_ += "\\P{Nd}"; break;
      case 'w': out_ += in_class_ ? std::string(kWordClass) : fmt::format("[{}]", kWordClass); break;
      case 'p':
      case 'P': property(kind); break;
      default: plain_escape(kind);
    }
  }

  void plain_escape(char kind) {
    constexpr std::string_view kSame = "tnrfvaexuAzZ0";
    const bool word = (kind >= '0' && kind <= '9') || (kind >= 'a' && kind <= 'z') || (kind >= 'A' && kind <= 'Z');
    if (word && kSame.find(kind) == std::string_view::npos) refuse(fmt::format("\\{}", kind));
    if (kind == 'u') return unicode_escape();
    out_ += {'\\', kind};
  }

  /// \uHHHH is \x{HHHH}.
  void unicode_escape() {
    if (in_.size() - at_ < 4) refuse("\\u without four digits");
    out_ += fmt::format("\\x{{{}}}", in_.substr(at_, 4));
    at_ += 4;
  }

  /// A long name is a script, which PCRE2 would take as Script_Extensions.
  void property(char kind) {
    const size_t end = in_.find('}', at_);
    if (at_ >= in_.size() || in_[at_] != '{' || end == std::string_view::npos) refuse("\\p without {name}");
    std::string_view name = in_.substr(at_ + 1, end - at_ - 1);
    const std::string_view negation = name.substr(0, name.starts_with('^') ? 1 : 0);
    name.remove_prefix(negation.size());
    constexpr std::array<std::string_view, 3> kNoScripts = {"Any", "Alphabetic", "White_Space"};
    const bool script = name.size() > 2 && std::find(kNoScripts.begin(), kNoScripts.end(), name) == kNoScripts.end();
    out_ += fmt::format("\\{}{{{}{}{}}}", kind, negation, script ? "sc:" : "", name);
    at_ = end + 1;
  }

  [[noreturn]] void refuse(const std::string& what) const {
    throw DataError(fmt::format("{}: regular expression {}: {} is not supported", source_, in_, what));
  }

  std::string_view in_;
  const std::string& source_;
  std::string out_;
  size_t at_ = 0;
  bool in_class_ = false;
};

}  // namespace

std::string translate_to_pcre2(std::string_view expression, const std::string& source) {
  return Translation(expression, source).run();
}

}  // namespace ingot::data
