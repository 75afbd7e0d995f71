#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ingot::data {

/// Bytes [begin, end) of a text.
struct TextRange {
  size_t begin = 0, end = 0;
};

/// What a tokenizer searches for: a literal text, or a regular expression of a tokenizer.json. Those are written for
/// Oniguruma's Ruby syntax; PCRE2 runs them after the few spellings that differ are translated. Cheap to copy, and
/// safe to use from many threads.
class TextPattern {
 public:
  static TextPattern literal(std::string text);

  /// Throws DataError naming `source` for a regular expression that PCRE2 or the translation does not know.
  static TextPattern regex(const std::string& expression, const std::string& source);

  /// The first match at or behind byte `from` of a valid UTF-8 text. Throws DataError when the match needs more than
  /// the limits of PCRE2.
  std::optional<TextRange> find(std::string_view text, size_t from) const;

 private:
  struct Program;
  TextPattern() = default;
  std::optional<TextRange> run_program(std::string_view text, size_t from) const;
  std::string literal_;
  std::shared_ptr<const Program> program_;  // none for a literal
};

/// The expression in PCRE2's spelling. Throws DataError naming `source` where there is none.
std::string translate_to_pcre2(std::string_view expression, const std::string& source);

}  // namespace ingot::data
