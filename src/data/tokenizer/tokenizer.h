#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/folder_files.h"
namespace ingot::data {

using TokenId = int32_t;

/// Text to token ids and back, as the model's authors' tokenizer does it. Immutable: safe from many threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Ids of UTF-8 text without bos or eos added. Invalid UTF-8 is read as U+FFFD. Texts of added and special tokens
  /// that stand in `text` become their ids where the authors' own tokenizer does so: in all families but ChatGLM3.
  virtual std::vector<TokenId> encode(std::string_view text) const = 0;

  /// encode() that reads the texts of special tokens as plain text: what a user wrote cannot become a control token. It
  /// gives the ids of tiktoken's encode_ordinary and of SentencePiece, which knows the user-defined pieces of its model
  /// file all the same (Yi's "<|im_start|>", Baichuan2's "<reserved_106>").
  virtual std::vector<TokenId> encode_ordinary(std::string_view text) const = 0;

  /// The text of ids. `skip_special` leaves special tokens out. Throws DataError on an id out of range.
  virtual std::string decode(std::span<const TokenId> ids, bool skip_special = false) const = 0;

  /// encode() with what the tokenizer's own files add around a text (post-processor, add_bos_token, add_eos_token).
  virtual std::vector<TokenId> encode_with_special_tokens(std::string_view text) const = 0;

  /// Largest id + 1, added tokens included.
  virtual int64_t vocab_size() const = 0;

  /// Id of a token by its exact text, such as "<|im_end|>".
  virtual std::optional<TokenId> token_id(std::string_view token) const = 0;

  virtual std::optional<TokenId> bos_id() const = 0;
  virtual std::optional<TokenId> eos_id() const = 0;
};

/// Reads the tokenizer beside a model: tokenizer.json, else qwen.tiktoken, else tokenizer.model (SentencePiece or
/// tiktoken), else vocab.json and merges.txt; with tokenizer_config.json, special_tokens_map.json and added_tokens.json
/// where present. Throws DataError naming the file; when the folder has none, lists the file names looked for.
std::unique_ptr<Tokenizer> load_tokenizer(const FolderFiles& folder);

/// Throws DataError naming `source` for an id that the tokenizer does not have.
void expect_ids(const Tokenizer& tokenizer, std::span<const TokenId> ids, const std::string& source);

}  // namespace ingot::data
