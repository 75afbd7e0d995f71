#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace ingot::data {

inline constexpr TokenId kTwoNewlines = 256;

/// A byte is a token, "\n\n" is one token, and the special tokens named have ids from 300 on; bos is 298, eos 299.
class ChatTokenizer : public Tokenizer {
 public:
  explicit ChatTokenizer(std::vector<std::string> special, bool parses_ordinary = false)
      : special_(std::move(special)), parses_ordinary_(parses_ordinary) {}
  std::vector<TokenId> encode(std::string_view text) const override { return parse(text, true); }
  std::vector<TokenId> encode_ordinary(std::string_view text) const override { return parse(text, parses_ordinary_); }
  std::vector<TokenId> encode_with_special_tokens(std::string_view text) const override { return encode(text); }
  std::string decode(std::span<const TokenId> ids, bool) const override {
    std::string text;
    for (const TokenId id : ids) text += text_of(id);
    return text;
  }
  int64_t vocab_size() const override { return 300 + static_cast<int64_t>(special_.size()); }
  std::optional<TokenId> token_id(std::string_view token) const override {
    const auto found = std::find(special_.begin(), special_.end(), token);
    if (found == special_.end()) return std::nullopt;
    return static_cast<TokenId>(300 + (found - special_.begin()));
  }
  std::optional<TokenId> bos_id() const override { return 298; }
  std::optional<TokenId> eos_id() const override { return 299; }

 private:
  std::vector<TokenId> parse(std::string_view text, bool special) const {
    std::vector<TokenId> ids;
    while (!text.empty()) {
      const auto found = std::find_if(special_.begin(), special_.end(), [&](const auto& t) { return text.starts_with(t); });
      size_t length = 1;
      if (special && found != special_.end()) {
        ids.push_back(*token_id(*found));
        length = found->size();
      } else if (text.starts_with("\n\n")) {
        ids.push_back(kTwoNewlines);
        length = 2;
      } else {
        ids.push_back(static_cast<unsigned char>(text[0]));
      }
      text.remove_prefix(length);
    }
    return ids;
  }
  std::string text_of(TokenId id) const {
    if (id >= 300) return special_.at(static_cast<size_t>(id - 300));
    return id == 298 ? "<s>" : id == 299 ? "</s>" : id == kTwoNewlines ? "\n\n" : std::string(1, static_cast<char>(id));
  }
  std::vector<std::string> special_;
  bool parses_ordinary_;
};

/// One with every token that a built-in template needs.
inline ChatTokenizer tokenizer_of_all_templates() {
  return ChatTokenizer({"<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
                        "<|eot_id|>", "[gMASK]", "sop", "<sop>", "<|system|>", "<|user|>", "<|assistant|>",
                        "<|observation|>", "<reserved_106>", "<reserved_107>", "<用户>", "<AI>", "<start_of_turn>",
                        "<end_of_turn>"});
}

}  // namespace ingot::data
