#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/folder_files.h"
#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/pipeline_tokenizer.h"

namespace ingot::data {

/// What tokenizer_config.json, special_tokens_map.json and added_tokens.json say; the defaults where they are absent.
struct TokenizerConfig {
  std::string tokenizer_class;
  std::optional<std::string> bos_token, eos_token;
  std::optional<bool> add_bos_token, add_eos_token;
  bool legacy = true;                    // every text between special tokens gets SentencePiece's leading space
  std::vector<AddedToken> added_tokens;  // added_tokens_decoder, else added_tokens.json
  std::vector<AddedToken> special_tokens;  // those that the files name as special, without ids, in the order of transformers 5
};

/// Throws DataError naming the file and the field that is not what it has to be.
TokenizerConfig read_tokenizer_config(const FolderFiles& folder);

/// The readers below take one kind of file each and throw DataError naming it.

/// A tokenizer.json of Hugging Face tokenizers with a BPE model. What it puts around a text counts, and not add_bos_token and
/// add_eos_token, as in transformers 5.
std::unique_ptr<PipelineTokenizer> read_tokenizer_json(const NamedText& file, const TokenizerConfig& config);

/// A SentencePiece model of type BPE.
std::unique_ptr<PipelineTokenizer> read_sentencepiece(const NamedText& file, const TokenizerConfig& config);

/// A tiktoken rank file: base64 of a token's bytes, a space and its id a line; split as Qwen does when the config names
/// its class, else as Llama 3 and GLM-4.
std::unique_ptr<PipelineTokenizer> read_tiktoken(const NamedText& file, const TokenizerConfig& config);

/// vocab.json and merges.txt of a byte-level BPE: split as Qwen2 does when the config names its class, else as GPT-2.
std::unique_ptr<PipelineTokenizer> read_vocab_and_merges(const NamedText& vocab, const NamedText& merges,
                                                         const TokenizerConfig& config);

/// True when the bytes look like lines of a tiktoken file.
bool is_tiktoken(std::string_view bytes);

/// Adds the added tokens of the config and of its class that `parts` lacks, bos and eos, and what stands around a text.
void apply_config(TokenizerParts& parts, const TokenizerConfig& config, const std::string& source);

}  // namespace ingot::data
