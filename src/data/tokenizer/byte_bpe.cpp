#include "data/tokenizer/byte_bpe.h"

#include <algorithm>

#include "data/tokenizer/utf8.h"
#include "data/tokenizer/word_cache.h"

namespace ingot::data {
namespace {


}  // namespace

ByteBpe::ByteBpe(Vocabulary pieces, MergeTable merges, BpeOptions options)
    : pieces_(std::move(pieces)), merges_(std::move(merges)), options_(options), word_owner_(WordCache::new_owner()),
      segment_owner_(WordCache::new_owner()) {
  for (size_t byte = 0; byte < 256; ++byte) {
    const char text = static_cast<char>(byte);
    byte_ids_[byte] = pieces_.find({&text, 1}).value_or(kNoPiece);
  }
  // bytes that are left out or fused would make neighbours of what a cut keeps apart
  can_cut_ = std::find(byte_ids_.begin(), byte_ids_.end(), kNoPiece) == byte_ids_.end();
  for (TokenId id = 0; id < pieces_.size(); ++id) neighbors_.add_piece(pieces_.piece(id).value_or(""));
}

void ByteBpe::encode(std::string_view word, std::vector<TokenId>& ids) const {
  WordCache& cache = WordCache::of_thread();
  const bool cached = WordCache::holds(word);
  if (cached && cache.append(word_owner_, word, ids)) return;
  const size_t begin = ids.size();
  encode_afresh(word, ids);
  if (cached) cache.keep(word_owner_, word, ids.data() + begin, ids.size() - begin);
}

void ByteBpe::encode_afresh(std::string_view word, std::vector<TokenId>& ids) const {
  if (options_.whole_words) {
    if (const auto whole = pieces_.find(word)) return ids.push_back(*whole);
  }
  size_t begin = 0;
  std::string_view previous;
  for (size_t at = 0, length; can_cut_ && at < word.size(); at += length) {
    length = utf8_length(word[at]);
    const std::string_view character = word.substr(at, length);
    const bool ascii = length == 1 && previous.size() == 1;  // words of ASCII are short: not worth the looks
    if (at > begin && !ascii && !neighbors_.may_join(previous, character)) {
      encode_segment(word.substr(begin, at - begin), ids);
      begin = at;
    }
    previous = character;
  }
  encode_segment(word.substr(begin), ids);
}

void ByteBpe::encode_segment(std::string_view segment, std::vector<TokenId>& ids) const {
  WordCache& cache = WordCache::of_thread();
  const bool cached = WordCache::holds(segment);
  if (cached && cache.append(segment_owner_, segment, ids)) return;
  const size_t begin = ids.size();
  append_symbols(segment, ids);
  merges_.apply(ids, begin);
  if (cached) cache.keep(segment_owner_, segment, ids.data() + begin, ids.size() - begin);
}

void ByteBpe::append_symbols(std::string_view segment, std::vector<TokenId>& ids) const {
  bool after_unknown = false;
  for (const char byte : segment) {
    const TokenId id = byte_ids_[static_cast<unsigned char>(byte)];
    const bool unknown = id == kNoPiece;
    if (!unknown) ids.push_back(id);
    else if (options_.unknown && !(after_unknown && options_.fuse_unknown)) ids.push_back(*options_.unknown);
    after_unknown = unknown;
  }
}

}  // namespace ingot::data
