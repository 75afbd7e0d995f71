#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

namespace ingot {

/// Collects every broken rule of a configuration, so that all are reported at once.
class Problems {
 public:
  /// "field: found VALUE, wanted WANTED" when `holds` is false.
  template <class Value>
  void expect(bool holds, const std::string& field, const Value& value, const std::string& wanted) {
    if (!holds) add(fmt::format("{}: found {}, wanted {}", field, value, wanted));
  }
  void add(std::string problem) { found_.push_back(std::move(problem)); }
  const std::vector<std::string>& list() const { return found_; }
  /// Throws one ConfigError that lists everything found, when anything was; `source` is the file's name.
  void throw_if_any(const std::string& source) const;

 private:
  std::vector<std::string> found_;
};

/// The known word with the fewest edits to `word`, when it is near enough to be meant: within a third of its length, or 2; else empty.
std::string nearest_word(const std::string& word, const std::vector<std::string>& known);
/// The same within so many edits.
std::string nearest_word(const std::string& word, const std::vector<std::string>& known, size_t most_edits);

}  // namespace ingot
