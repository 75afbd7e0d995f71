#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace ingot::data {

/// A set of byte strings that is searched for in text: the longest one that starts at a place.
class PrefixTree {
 public:
  struct Match {
    size_t begin, length;
    int32_t value;
  };
  PrefixTree() { starts_.fill(kNone); }

  /// Adds a key that is not empty; one that is there already takes the new value.
  void insert(std::string_view key, int32_t value);

  /// The longest key at byte `at` of the text.
  std::optional<Match> longest_at(std::string_view text, size_t at) const;

  /// The first place at or behind `from` where a key stands, and the longest key there.
  std::optional<Match> find(std::string_view text, size_t from) const;

  bool empty() const { return nodes_.empty(); }

 private:
  static constexpr int32_t kNone = -1;
  struct Node {
    char label;
    int32_t value = kNone;
    int32_t child = kNone, sibling = kNone;  // first child, next child of the same parent
  };
  int32_t add_start(char label);
  int32_t add_child(int32_t parent, char label);
  int32_t child_of(int32_t parent, char label) const;
  size_t next_start(std::string_view text, size_t from) const;
  std::array<int32_t, 256> starts_;  // node of every first byte
  int num_starts_ = 0;
  char only_start_ = 0;  // when num_starts_ is 1
  std::vector<Node> nodes_;
};

}  // namespace ingot::data
