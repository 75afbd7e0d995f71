#pragma once

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "generate/sampling.h"

namespace ingot::generate {

/// What a conversation needs; all outlive it.
struct ChatParts {
  const model::CausalLm& model;
  const data::Tokenizer& tokenizer;
  const data::ChatTemplate& chat;
  std::filesystem::path folder;  // the model's, for messages
};

struct ChatAnswer {
  std::string content;
  std::vector<data::TokenId> prompt_ids, ids;
  std::string finish_reason;  // stop: a token that ends answers; length: max_new_tokens; interrupted: a signal
};

/// A conversation with a model. What was said before stays in the key/value cache.
class ChatSession {
 public:
  /// Sampling's stop ids end an answer; its seed moves by one with every answer.
  ChatSession(ChatParts parts, SamplingOptions sampling, const std::optional<std::string>& system);

  /// Puts the message and its answer into the conversation. `show` gets the answer's text piece by piece, without white
  /// space in front. Turns that no longer fit into the model's positions are forgotten, oldest first, with a warning.
  ChatAnswer answer(const std::string& message, const std::function<void(const std::string&)>& show);

  /// Forgets everything but the system message.
  void reset();

 private:
  std::vector<data::TokenId> prompt_ids();
  ChatParts parts_;
  SamplingOptions sampling_;
  data::Conversation conversation_;
  size_t first_ = 0;  // message behind the system's
  ReadTokens read_;
};

/// Where the messages of a conversation come from and how its answers are shown.
struct ChatStyle {
  std::string prompt;     // the one message; empty: the lines of `in`
  bool json = false;      // an answer is a JSON object on a line
  bool terminal = false;  // `in` is a terminal
};

/// Answers style.prompt, or line after line of `in`. Returns the exit code.
int run_chat(const ChatStyle& style, ChatSession& session, std::istream& in, std::ostream& out);

}  // namespace ingot::generate
