#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/chat/chat_template.h"

namespace ingot::data {

/// Puts a conversation's special tokens and texts behind one another. Texts that follow each other directly are encoded
/// as one run; a run never gives a special token of the template. A piece of a weight other than 0 is a label.
class ChatWriter {
 public:
  /// `control_tokens` are the texts of the template's special tokens.
  ChatWriter(const Tokenizer& tokenizer, std::string_view template_name, std::vector<std::string> control_tokens);

  /// The token of that text. Throws ConfigError when the tokenizer has none.
  void special(const std::string& token, float weight = 0);
  /// The token of that text where the tokenizer has one, else ordinary text.
  void special_or_text(const std::string& token, float weight = 0);
  /// The tokenizer's own first and last token of a text. Throws ConfigError when it has none.
  void bos(float weight = 0);
  void eos(float weight = 0);
  /// Ordinary text.
  void text(std::string_view text, float weight = 0);
  /// Ends the run: what follows is encoded by itself.
  void cut() { flush(); }
  /// The next token opens a turn.
  void begin_turn() { turn_begins_ = true; }
  /// The label of the next token is eos of that weight, whatever the token is. Throws ConfigError when the tokenizer has none.
  void next_label_is_eos(float weight = 1);

  RenderedChat take();

 private:
  struct Piece {
    std::string text;
    float weight;
    bool opens_turn;
  };
  void append(TokenId id, const std::string& text, float weight);
  void push(TokenId id, float weight);
  void flush();
  std::vector<TokenId> encode(std::string_view text) const;
  size_t end_of_part(std::string_view text, size_t begin) const;
  TokenId need(std::optional<TokenId> id, const std::string& token) const;

  const Tokenizer& tokenizer_;
  std::string template_name_;
  std::vector<std::string> control_tokens_;
  std::vector<TokenId> control_ids_;
  std::vector<Piece> run_;
  bool turn_begins_ = false;
  float eos_weight_ = 0;  // of the next token's label where it is eos
  RenderedChat chat_;
};

}  // namespace ingot::data
