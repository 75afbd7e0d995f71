#pragma once

#include <vector>

#include "data/files/json_field.h"
#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/pretokenizer.h"
#include "data/tokenizer/token_decoder.h"
#include "data/tokenizer/vocabulary.h"

namespace ingot::data {

/// The steps of a tokenizer.json, each appended in order. All throw DataError naming the place for a type or an option
/// that is not known here.

void append_normalizers(const JsonField& normalizer, std::vector<Normalizer>& steps);

/// What a pre_tokenizer is read into.
struct PreTokenizers {
  std::vector<PreTokenizer> steps;
  bool byte_level = false;  // the model sees bytes instead of characters
};
void append_pretokenizers(const JsonField& pretokenizer, PreTokenizers& out);

void append_decoders(const JsonField& decoder, std::vector<DecoderStep>& steps);

/// Ids that a post_processor puts around a text.
struct Surrounding {
  std::vector<TokenId> prefix, suffix;
};
void append_surrounding(const JsonField& post_processor, const Vocabulary& vocabulary, Surrounding& out);

}  // namespace ingot::data
