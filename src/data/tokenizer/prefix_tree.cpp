#include "data/tokenizer/prefix_tree.h"

#include <algorithm>

namespace ingot::data {

/// The child of that label, made when it is missing.
int32_t PrefixTree::add_child(int32_t parent, char label) {
  if (const int32_t child = child_of(parent, label); child != kNone) return child;
  const auto made = static_cast<int32_t>(nodes_.size());
  nodes_.push_back({.label = label, .sibling = nodes_[static_cast<size_t>(parent)].child});
  nodes_[static_cast<size_t>(parent)].child = made;
  return made;
}

int32_t PrefixTree::add_start(char label) {
  int32_t& start = starts_[static_cast<unsigned char>(label)];
  if (start == kNone) {
    start = static_cast<int32_t>(nodes_.size());
    nodes_.push_back({.label = label});
    ++num_starts_;
    only_start_ = label;
  }
  return start;
}

void PrefixTree::insert(std::string_view key, int32_t value) {
  int32_t at = add_start(key[0]);
  for (const char label : key.substr(1)) at = add_child(at, label);
  nodes_[static_cast<size_t>(at)].value = value;
}

int32_t PrefixTree::child_of(int32_t parent, char label) const {
  int32_t at = nodes_[static_cast<size_t>(parent)].child;
  while (at != kNone && nodes_[static_cast<size_t>(at)].label != label) at = nodes_[static_cast<size_t>(at)].sibling;
  return at;
}

std::optional<PrefixTree::Match> PrefixTree::longest_at(std::string_view text, size_t at) const {
  std::optional<Match> longest;
  int32_t node = starts_[static_cast<unsigned char>(text[at])];
  for (size_t length = 1; node != kNone; ++length) {
    const int32_t value = nodes_[static_cast<size_t>(node)].value;
    if (value != kNone) longest = Match{at, length, value};
    if (at + length == text.size()) break;
    node = child_of(node, text[at + length]);
  }
  return longest;
}

/// The next byte at or behind `from` that starts a key, or the end.
size_t PrefixTree::next_start(std::string_view text, size_t from) const {
  if (num_starts_ == 1) return std::min(text.find(only_start_, from), text.size());
  while (from < text.size() && starts_[static_cast<unsigned char>(text[from])] == kNone) ++from;
  return from;
}

std::optional<PrefixTree::Match> PrefixTree::find(std::string_view text, size_t from) const {
  if (nodes_.empty()) return std::nullopt;
  for (size_t at = next_start(text, from); at < text.size(); at = next_start(text, at + 1))
    if (const auto match = longest_at(text, at)) return match;
  return std::nullopt;
}

}  // namespace ingot::data
