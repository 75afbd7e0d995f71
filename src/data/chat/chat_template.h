#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/chat/conversation.h"
#include "data/tokenizer/tokenizer.h"

namespace ingot::data {

/// A conversation as a model sees it.
struct RenderedChat {
  std::string text;                // with the texts of special tokens in it
  std::vector<TokenId> ids;
  std::vector<uint8_t> loss_mask;  // [ids]  1: this token is a label
  std::vector<size_t> turn_starts; // first token of every turn (a user's or tool's message with the answer to it), ascending
};

/// The text, ids and labels that one family of models expects of a conversation. Source: MODELS §5.
class ChatTemplate {
 public:
  virtual ~ChatTemplate() = default;
  virtual std::string_view name() const = 0;
  /// A whole conversation for training. Throws DataError for an order of roles that the family cannot express.
  virtual RenderedChat render(const Conversation& conversation, const Tokenizer& tokenizer) const = 0;
  /// The same up to where the assistant's next answer begins, for generation; loss_mask is all 0.
  virtual RenderedChat prompt(const Conversation& conversation, const Tokenizer& tokenizer) const = 0;
  /// Ids that end an answer.
  virtual std::vector<TokenId> stop_ids(const Tokenizer& tokenizer) const = 0;
};

/// The template of that name, or of a YAML file that describes one. Throws ConfigError with the nearest name for an
/// unknown one.
std::unique_ptr<ChatTemplate> make_chat_template(const std::string& name_or_file);

/// Names of all templates, sorted.
std::vector<std::string> chat_template_names();

/// The name of the template that fits a model folder, from its chat_template, tokenizer files and config.json. Throws
/// ConfigError naming the nearest one and how to choose when none fits.
std::string detect_chat_template(const std::filesystem::path& folder);

}  // namespace ingot::data
