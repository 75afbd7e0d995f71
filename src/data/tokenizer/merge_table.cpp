#include "data/tokenizer/merge_table.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace ingot::data {
namespace {

/// Up to this many symbols the lowest rank is found by looking at all of them.
constexpr size_t kFewSymbols = 100;

/// A pair that may merge: its rank above, the position of its left symbol below, so that the least is next.
using Candidate = uint64_t;
Candidate candidate(uint32_t rank, uint32_t position) { return static_cast<uint64_t>(rank) << 32 | position; }

/// Symbols as a linked list with a heap of the pairs that may merge.
class MergeList {
 public:
  MergeList(const MergeTable& table, std::vector<TokenId>& symbols, size_t begin)
      : table_(table), symbols_(symbols.data() + begin), size_(static_cast<uint32_t>(symbols.size() - begin)) {
    next_.resize(size_), previous_.resize(size_), pairs_.resize(size_);
    for (uint32_t i = 0; i < size_; ++i) next_[i] = i + 1, previous_[i] = i - 1;
    for (uint32_t i = 0; i < size_; ++i) look_up(i);
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>{});
  }

  /// Merges all; returns how many symbols are left at the front.
  size_t run() {
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>{});
      const Candidate next = heap_.back();
      heap_.pop_back();
      const auto at = static_cast<uint32_t>(next);
      if (pairs_[at].rank == static_cast<uint32_t>(next >> 32)) merge(at);  // else the pair is gone since
    }
    size_t kept = 0;
    for (uint32_t i = 0; i < size_; i = next_[i]) symbols_[kept++] = symbols_[i];
    return kept;
  }

 private:
  /// Notes what the symbol at `at` merges to with the one behind it, without keeping the heap's order.
  void look_up(uint32_t at) {
    pairs_[at] = next_[at] < size_ ? table_.find(symbols_[at], symbols_[next_[at]]) : Merge{};
    if (pairs_[at].rank != Merge::kNone) heap_.push_back(candidate(pairs_[at].rank, at));
  }
  void renew(uint32_t at) {
    const size_t before = heap_.size();
    look_up(at);
    if (heap_.size() > before) std::push_heap(heap_.begin(), heap_.end(), std::greater<>{});
  }
  void merge(uint32_t at) {
    const uint32_t gone = next_[at];
    symbols_[at] = pairs_[at].merged;
    pairs_[gone] = {};
    next_[at] = next_[gone];
    if (next_[at] < size_) previous_[next_[at]] = at;
    renew(at);
    if (at > 0) renew(previous_[at]);
  }

  const MergeTable& table_;
  TokenId* symbols_;
  uint32_t size_;
  std::vector<uint32_t> next_, previous_;  // size_ is the end
  std::vector<Merge> pairs_;               // of a symbol with the one behind it
  std::vector<Candidate> heap_;
};

/// Ranks and results of neighbouring pairs, on the stack.
struct PairArrays {
  uint32_t ranks[kFewSymbols];
  TokenId merged[kFewSymbols];
};

}  // namespace

MergeTable::MergeTable(size_t expected_merges) { grow(expected_merges + expected_merges / 2); }

void MergeTable::grow(size_t num_slots) {
  std::vector<Slot> old(std::bit_ceil(std::max<size_t>(num_slots, 16)));
  old.swap(slots_);
  mask_ = slots_.size() - 1;
  num_merges_ = 0;
  for (const Slot& slot : old)
    if (slot.key != kFree) insert(static_cast<TokenId>(slot.key >> 32), static_cast<TokenId>(slot.key), slot.merge);
}

void MergeTable::insert(TokenId left, TokenId right, Merge merge) {
  if (num_merges_ * 4 >= slots_.size() * 3) grow(slots_.size() * 2);
  const uint64_t key = key_of(left, right);
  size_t at = hash_of(key) & mask_;
  while (slots_[at].key != kFree && slots_[at].key != key) at = (at + 1) & mask_;
  num_merges_ += slots_[at].key == kFree;
  slots_[at] = {key, merge};
}

void MergeTable::apply(std::vector<TokenId>& symbols, size_t begin) const {
  const size_t count = symbols.size() - begin;
  if (count < 2) return;
  if (count <= kFewSymbols) return apply_to_few(symbols, begin);
  apply_to_many(symbols, begin);
}

void MergeTable::apply_to_few(std::vector<TokenId>& symbols, size_t begin) const {
  PairArrays pairs;
  TokenId* const symbol = symbols.data() + begin;
  size_t count = symbols.size() - begin;
  const auto look_up = [&](size_t at) {
    const Merge merge = find(symbol[at], symbol[at + 1]);
    pairs.ranks[at] = merge.rank;
    pairs.merged[at] = merge.merged;
  };
  for (size_t i = 0; i + 1 < count; ++i) look_up(i);
  while (count > 1) {
    const uint32_t* const lowest = std::min_element(pairs.ranks, pairs.ranks + count - 1);
    if (*lowest == Merge::kNone) break;
    const auto at = static_cast<size_t>(lowest - pairs.ranks);
    symbol[at] = pairs.merged[at];
    --count;
    std::copy(symbol + at + 2, symbol + count + 1, symbol + at + 1);
    if (at + 1 < count) {
      std::copy(pairs.ranks + at + 2, pairs.ranks + count, pairs.ranks + at + 1);
      std::copy(pairs.merged + at + 2, pairs.merged + count, pairs.merged + at + 1);
      look_up(at);
    }
    if (at > 0) look_up(at - 1);
  }
  symbols.resize(begin + count);
}

void MergeTable::apply_to_many(std::vector<TokenId>& symbols, size_t begin) const {
  const size_t kept = MergeList(*this, symbols, begin).run();
  symbols.resize(begin + kept);
}

}  // namespace ingot::data
