#pragma once

#include <string>

#include "checkpoint/gguf/gguf_keys.h"
#include "checkpoint/gguf/gguf_vocabulary.h"

namespace ingot::checkpoint {

/// tokenizer.json of a byte-level BPE vocabulary. Throws DataError naming tokenizer.ggml.pre and the known ones when
/// the file has another, and on merges that do not fit the tokens.
std::string tokenizer_json(const GgufKeys& keys, const GgufVocabulary& vocabulary);

/// tokenizer.model, the protobuf of a SentencePiece BPE vocabulary (sentencepiece_model.proto).
std::string sentencepiece_model(const GgufKeys& keys, const GgufVocabulary& vocabulary);

/// tokenizer_config.json with the chat template; `context` is model_max_length.
std::string tokenizer_config_json(const GgufVocabulary& vocabulary, int64_t context);

/// special_tokens_map.json.
std::string special_tokens_map_json(const GgufVocabulary& vocabulary);

}  // namespace ingot::checkpoint
