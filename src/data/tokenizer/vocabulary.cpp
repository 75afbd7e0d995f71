#include "data/tokenizer/vocabulary.h"

#include <algorithm>
#include <bit>

#include "data/tokenizer/byte_hash.h"

namespace ingot::data {
namespace {

constexpr size_t kMinSlots = 16;

uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

}  // namespace

void Vocabulary::reserve(size_t num_pieces, size_t num_bytes) {
  text_.reserve(num_bytes);
  spans_.reserve(num_pieces);
  if (num_pieces * 2 > slots_.size()) grow(num_pieces * 2);
}

void Vocabulary::grow(size_t num_slots) {
  slots_.assign(std::bit_ceil(std::max(num_slots, kMinSlots)), Slot{});
  for (size_t id = 0; id < spans_.size(); ++id) {
    if (spans_[id].offset == kGap) continue;
    const uint64_t hash = hash_bytes(text(spans_[id]));
    slots_[slot_of(text(spans_[id]), hash)] = {tag_of(hash), static_cast<TokenId>(id)};
  }
}

/// The slot that holds the piece, or the free one where it belongs.
size_t Vocabulary::slot_of(std::string_view piece, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  while (slots_[at].id != kFree) {
    if (slots_[at].tag == tag_of(hash) && text(spans_[static_cast<size_t>(slots_[at].id)]) == piece) break;
    at = (at + 1) & mask;
  }
  return at;
}

bool Vocabulary::insert(std::string_view piece, TokenId id) {
  const auto index = static_cast<size_t>(id);
  if (index < spans_.size() && spans_[index].offset != kGap) return false;
  if (text_.size() + piece.size() >= kGap) return false;
  if ((num_pieces_ + 1) * 2 > slots_.size()) grow((num_pieces_ + 1) * 4);
  const uint64_t hash = hash_bytes(piece);
  Slot& slot = slots_[slot_of(piece, hash)];
  if (slot.id != kFree) return false;
  slot = {tag_of(hash), id};
  if (index >= spans_.size()) spans_.resize(index + 1);
  spans_[index] = {static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(piece.size())};
  text_.append(piece);
  ++num_pieces_;
  return true;
}

std::optional<TokenId> Vocabulary::find(std::string_view piece) const {
  if (slots_.empty()) return std::nullopt;
  const Slot& slot = slots_[slot_of(piece, hash_bytes(piece))];
  return slot.id == kFree ? std::nullopt : std::optional<TokenId>(slot.id);
}

std::optional<std::string_view> Vocabulary::piece(TokenId id) const {
  const auto index = static_cast<size_t>(id);
  if (id < 0 || index >= spans_.size() || spans_[index].offset == kGap) return std::nullopt;
  return text(spans_[index]);
}

}  // namespace ingot::data
