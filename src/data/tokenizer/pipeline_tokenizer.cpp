#include "data/tokenizer/pipeline_tokenizer.h"

#include <fmt/format.h>

#include <limits>

#include "core/error.h"
#include "data/tokenizer/utf8.h"

namespace ingot::data {
namespace {

constexpr size_t kMaxText = std::numeric_limits<int32_t>::max();

size_t bytes_of(const std::vector<std::string>& pieces) {
  size_t bytes = 0;
  for (const auto& piece : pieces) bytes += piece.size();
  return bytes;
}

}  // namespace

PipelineTokenizer::PipelineTokenizer(TokenizerParts parts)
    : parts_(std::move(parts)), pretokenize_(sequence_pretokenizer(parts_.pretokenizers)) {
  for (const AddedToken& token : parts_.added_tokens) {
    if (token.special) special_ids_.insert(token.id);
    if (token.special && !parts_.special_in_text) continue;
    if (token.normalized) normalized_tokens_.add(token, normalized(token.content, true));
    else raw_tokens_.add(token);
  }
}

std::string PipelineTokenizer::normalized(std::string_view text, bool at_start) const {
  std::string out(text);
  const size_t most = most_bytes(text.size());
  for (const Normalizer& normalize : parts_.normalizers) {
    normalize(out, {at_start, most});
    check_growth(out.size(), most);
  }
  return out;
}

std::vector<TokenId> PipelineTokenizer::encode_text(std::string_view text, bool plain_special) const {
  if (text.size() > kMaxText)
    throw DataError(fmt::format("a text of {} bytes, at most {} wanted", text.size(), kMaxText));
  std::string repaired;
  const std::string_view valid = valid_utf8(text, repaired);
  std::vector<TokenId> ids;
  ids.reserve(valid.size() / 3 + 8);
  const auto on_token = [&](TokenId id) { ids.push_back(id); };
  const auto on_text = [&](std::string_view piece) {
    encode_piece(piece, piece.data() == valid.data(), plain_special, ids);
  };
  raw_tokens_.split(valid, {.on_token = on_token, .on_text = on_text, .plain_special = plain_special});
  return ids;
}

void PipelineTokenizer::encode_piece(std::string_view piece, bool at_start, bool plain_special,
                                     std::vector<TokenId>& ids) const {
  const std::string text = normalized(piece, at_start);
  const auto on_word = [&](std::string_view word, bool) { parts_.encoder->encode(word, ids); };
  const auto on_token = [&](TokenId id) { ids.push_back(id); };
  const auto on_text = [&](std::string_view part) {
    pretokenize_(part, at_start && part.data() == text.data(), on_word);
  };
  normalized_tokens_.split(text, {.on_token = on_token, .on_text = on_text, .plain_special = plain_special});
}

std::vector<TokenId> PipelineTokenizer::encode_with_special_tokens(std::string_view text) const {
  std::vector<TokenId> ids = parts_.prefix;
  const auto inner = encode(text);
  ids.insert(ids.end(), inner.begin(), inner.end());
  ids.insert(ids.end(), parts_.suffix.begin(), parts_.suffix.end());
  return ids;
}

std::string PipelineTokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  std::vector<std::string> pieces;
  pieces.reserve(ids.size());
  for (const TokenId id : ids) {
    if (id < 0 || id >= vocab_size())
      throw DataError(fmt::format("token id {} is out of range, wanted 0 to {}", id, vocab_size() - 1));
    const auto piece = parts_.vocabulary.piece(id);  // none where the ids have a gap
    if (piece && !(skip_special && special_ids_.contains(id))) pieces.emplace_back(*piece);
  }
  const size_t most = most_bytes(bytes_of(pieces));
  for (const DecoderStep& step : parts_.decoders) {
    step(pieces, most);
    check_growth(bytes_of(pieces), most);
  }
  std::string text;
  for (size_t i = 0; i < pieces.size(); ++i) text.append(i > 0 ? parts_.piece_separator : "").append(pieces[i]);
  return text;
}

}  // namespace ingot::data
