#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/chat/chat_template.h"

namespace ingot::data {

/// Puts a conversation's special tokens and texts behind one another. Texts that follow each other directly are encoded
/// as one run; a run never gives a special token of the template.
class ChatWriter {
 public:
  /// `control_tokens` are the texts of the template's special tokens.
  ChatWriter(const Tokenizer& tokenizer, std::string_view template_name, std::vector<std::string> control_tokens);

  /// The token of that text. Throws ConfigError when the tokenizer has none.
  void special(const std::string& token, bool label = false);
  /// The token of that text where the tokenizer has one, else ordinary text.
  void special_or_text(const std::string& token, bool label = false);
  /// The tokenizer's own first and last token of a text. Throws ConfigError when it has none.
  void bos(bool label = false);
  void eos(bool label = false);
  /// Ordinary text.
  void text(std::string_view text, bool label = false);
  /// Ends the run: what follows is encoded by itself.
  void cut() { flush(); }
  /// The next token opens a turn.
  void begin_turn() { turn_begins_ = true; }
  /// The label of the next token is eos, whatever the token is. Throws ConfigError when the tokenizer has none.
  void next_label_is_eos();

  RenderedChat take();

 private:
  struct Piece {
    std::string text;
    bool label, opens_turn;
  };
  void append(TokenId id, const std::string& text, bool label);
  void push(TokenId id, bool label);
  void flush();
  std::vector<TokenId> encode(std::string_view text) const;
  size_t end_of_part(std::string_view text, size_t begin) const;
  TokenId need(std::optional<TokenId> id, const std::string& token) const;

  const Tokenizer& tokenizer_;
  std::string template_name_;
  std::vector<std::string> control_tokens_;
  std::vector<TokenId> control_ids_;
  std::vector<Piece> run_;
  bool turn_begins_ = false, eos_label_ = false;
  RenderedChat chat_;
};

}  // namespace ingot::data
