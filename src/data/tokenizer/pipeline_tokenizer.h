#pragma once

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/pretokenizer.h"
#include "data/tokenizer/token_decoder.h"
#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/vocabulary.h"
#include "data/tokenizer/word_encoder.h"

namespace ingot::data {

/// What every kind of tokenizer file is read into.
struct TokenizerParts {
  Vocabulary vocabulary;                  // pieces as their file spells them, added tokens included
  std::vector<AddedToken> added_tokens;   // ids stand in the vocabulary
  std::vector<Normalizer> normalizers;
  std::vector<PreTokenizer> pretokenizers;
  std::unique_ptr<WordEncoder> encoder;
  std::vector<DecoderStep> decoders;
  std::string piece_separator;            // between pieces when they are joined
  std::vector<TokenId> prefix, suffix;    // what encode_with_special_tokens puts around a text
  bool special_in_text = true;            // encode() finds the texts of special tokens
  std::optional<TokenId> bos, eos;
};

/// Added tokens, normalizers, pre-tokenizers, model and decoders one after another, as Hugging Face tokenizers does.
class PipelineTokenizer : public Tokenizer {
 public:
  explicit PipelineTokenizer(TokenizerParts parts);
  std::vector<TokenId> encode(std::string_view text) const override { return encode_text(text, false); }
  std::vector<TokenId> encode_ordinary(std::string_view text) const override { return encode_text(text, true); }
  std::string decode(std::span<const TokenId> ids, bool skip_special) const override;
  std::vector<TokenId> encode_with_special_tokens(std::string_view text) const override;
  int64_t vocab_size() const override { return parts_.vocabulary.size(); }
  std::optional<TokenId> token_id(std::string_view token) const override { return parts_.vocabulary.find(token); }
  std::optional<TokenId> bos_id() const override { return parts_.bos; }
  std::optional<TokenId> eos_id() const override { return parts_.eos; }

 private:
  std::vector<TokenId> encode_text(std::string_view text, bool plain_special) const;
  void encode_piece(std::string_view piece, bool at_start, bool plain_special, std::vector<TokenId>& ids) const;
  std::string normalized(std::string_view text, bool at_start) const;
  TokenizerParts parts_;
  PreTokenizer pretokenize_;
  AddedTokens raw_tokens_, normalized_tokens_;  // looked for before and behind the normalizers
  std::unordered_set<TokenId> special_ids_;
};

}  // namespace ingot::data
