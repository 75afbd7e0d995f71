#include "data/tokenizer/char_bpe.h"

#include <algorithm>

#include "data/tokenizer/token_decoder.h"
#include "data/tokenizer/utf8.h"
#include "data/tokenizer/word_cache.h"

namespace ingot::data {
namespace {


/// Calls `visit(character)` for every character.
template <class Visit>
void visit_characters(std::string_view text, const Visit& visit) {
  for (size_t at = 0, length; at < text.size(); at += length) {
    length = utf8_length(text[at]);
    visit(text.substr(at, length));
  }
}

}  // namespace

CharBpe::CharBpe(const Vocabulary& pieces, MergeTable merges, Options options)
    : merges_(std::move(merges)), options_(options), cache_owner_(WordCache::new_owner()) {
  for (TokenId id = 0; id < pieces.size(); ++id) {
    const std::string_view piece = pieces.piece(id).value_or("");
    char32_t previous = 0;
    visit_characters(piece, [&](std::string_view character) {
      const char32_t c = utf8_code_point(character.data());
      if (character.data() != piece.data()) neighbors_.insert(previous, c);
      previous = c;
    });
    if (piece.empty() || piece.size() != utf8_length(piece[0])) continue;
    if (previous >= char_ids_.size()) char_ids_.resize(previous + 1, kNoPiece);
    char_ids_[previous] = id;
  }
  for (int byte = 0; byte < 256; ++byte)
    byte_ids_[static_cast<size_t>(byte)] =
        pieces.find(piece_of_byte(static_cast<unsigned char>(byte))).value_or(kNoPiece);
  const bool all_bytes = std::find(byte_ids_.begin(), byte_ids_.end(), kNoPiece) == byte_ids_.end();
  // characters that are left out or fused would make neighbours of what a cut keeps apart
  can_cut_ = options_.byte_fallback ? all_bytes : options_.unknown && !options_.fuse_unknown;
  if (options_.whole_words) whole_words_ = pieces;
}

void CharBpe::encode(std::string_view word, std::vector<TokenId>& ids) const {
  if (options_.whole_words) {
    if (const auto whole = whole_words_.find(word)) return ids.push_back(*whole);
  }
  if (!can_cut_) return encode_segment(word, ids);
  size_t begin = 0, at = 0;
  char32_t previous = 0;
  while (at < word.size()) {
    const char32_t c = utf8_code_point(word.data() + at);
    if (at > begin && !neighbors_.may_hold(previous, c)) {
      encode_segment(word.substr(begin, at - begin), ids);
      begin = at;
    }
    previous = c;
    at += utf8_length(word[at]);
  }
  if (begin < word.size()) encode_segment(word.substr(begin), ids);
}

void CharBpe::encode_segment(std::string_view segment, std::vector<TokenId>& ids) const {
  WordCache& cache = WordCache::of_thread();
  const bool cached = WordCache::holds(segment);
  if (cached && cache.append(cache_owner_, segment, ids)) return;
  const size_t begin = ids.size();
  append_symbols(segment, ids);
  merges_.apply(ids, begin);
  if (cached) cache.keep(cache_owner_, segment, ids.data() + begin, ids.size() - begin);
}

/// Ids of single characters. An unknown one is held back until the next known one, so that byte pieces overtake it:
/// Hugging Face's BPE does so.
void CharBpe::append_symbols(std::string_view segment, std::vector<TokenId>& ids) const {
  bool pending = false;
  visit_characters(segment, [&](std::string_view character) {
    const TokenId id = char_id(utf8_code_point(character.data()));
    if (id != kNoPiece) {
      if (pending) ids.push_back(*options_.unknown);
      pending = false;
      return ids.push_back(id);
    }
    if (append_bytes(character, ids) || !options_.unknown) return;
    if (pending && !options_.fuse_unknown) ids.push_back(*options_.unknown);
    pending = true;
  });
  if (pending) ids.push_back(*options_.unknown);
}

bool CharBpe::append_bytes(std::string_view character, std::vector<TokenId>& ids) const {
  const auto id_of = [this](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
  if (!options_.byte_fallback) return false;
  for (const char byte : character)
    if (id_of(byte) == kNoPiece) return false;
  for (const char byte : character) ids.push_back(id_of(byte));
  return true;
}

}  // namespace ingot::data
