#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/gguf/gguf_keys.h"

namespace ingot::checkpoint {

/// Kinds of tokens, with SentencePiece's numbers.
enum class TokenKind : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

/// The vocabulary of a GGUF file, `tokenizer.ggml.*`.
struct GgufVocabulary {
  std::string model;  // "gpt2" (byte-level BPE) or "llama" (SentencePiece BPE)
  std::vector<std::string> tokens;
  std::vector<TokenKind> kinds;  // one a token
  std::optional<int64_t> bos, eos, unknown, padding;
  bool add_bos = false, add_eos = false;
  std::string chat_template;  // empty when there is none
};

/// Reads and checks it: `vocab` tokens without doubles, in UTF-8, ids in range. Throws DataError.
GgufVocabulary read_gguf_vocabulary(const GgufKeys& keys, int64_t vocab);

}  // namespace ingot::checkpoint
