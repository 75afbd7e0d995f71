#include "core/problems.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace ingot {
namespace {

/// Levenshtein distance.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

void Problems::throw_if_any(const std::string& source) const {
  if (found_.empty()) return;
  throw ConfigError(found_.size() == 1 ? fmt::format("{}: {}", source, found_[0])
                                       : fmt::format("{}: {} problems\n  {}", source, found_.size(), fmt::join(found_, "\n  ")));
}

std::string nearest_word(const std::string& word, const std::vector<std::string>& known) {
  return nearest_word(word, known, std::max<size_t>(2, word.size() / 3));
}

std::string nearest_word(const std::string& word, const std::vector<std::string>& known, size_t most_edits) {
  std::string best;
  size_t best_distance = most_edits + 1;
  for (const auto& candidate : known) {
    const size_t shorter = std::min(word.size(), candidate.size()), longer = std::max(word.size(), candidate.size());
    if (longer - shorter >= best_distance) continue;  // so many edits at least
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) best = candidate, best_distance = distance;
  }
  return best;
}

}  // namespace ingot
