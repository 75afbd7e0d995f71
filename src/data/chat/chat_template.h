#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/folder_files.h"
#include "data/chat/conversation.h"
#include "data/tokenizer/tokenizer.h"

namespace ingot::data {

/// What a token's loss mask says. Where an answer ends without a token of its own, the model has to end the text, but
/// the sample goes on with the marker of the next message: the label there is eos, not the token.
inline constexpr uint8_t kNoLabel = 0, kLabel = 1, kEosLabel = 2;

/// A conversation as a model sees it.
struct RenderedChat {
  std::string text;                 // with the texts of special tokens in it
  std::vector<TokenId> ids;
  std::vector<uint8_t> loss_mask;   // [ids]  kNoLabel, kLabel or kEosLabel
  std::vector<float> weights;       // [ids]  of labels in the loss, 0 elsewhere
  std::vector<size_t> silent;       // ids of answers that weigh 0, ascending
  std::vector<size_t> turn_starts;  // first token of every turn (a user's or tool's message with the answer to it), ascending
};

/// What a user chooses beside the name of a template.
struct ChatOptions {
  bool vendor_labels = false;        // labels as the vendor's own script sets them, where it has one
  std::string date = "26 Jul 2024";  // "Today Date" of llama3.1 and llama3.2
};

/// The text, ids and labels that one family of models expects of a conversation. Source: MODELS §5.
///
/// Text between special tokens is encoded as one run, and what a message says never becomes a special token. Where the
/// border of a label falls inside a token, labels begin at the first token that differs from those of the text before
/// the border encoded alone: what is given at generation carries no loss, what has to be made does.
class ChatTemplate {
 public:
  virtual ~ChatTemplate() = default;
  virtual std::string_view name() const = 0;
  /// With the given options what everybody says is a label, as in the vendor's own script.
  virtual bool labels_everything() const { return false; }
  /// A whole conversation for training. Throws DataError for an order of roles, tools or calls that the family cannot
  /// express, and ConfigError for a tokenizer without the template's special tokens.
  virtual RenderedChat render(const Conversation& conversation, const Tokenizer& tokenizer) const = 0;
  /// The same up to where the assistant's next answer begins, for generation; nothing is a label.
  virtual RenderedChat prompt(const Conversation& conversation, const Tokenizer& tokenizer) const = 0;
  /// Ids that end an answer.
  virtual std::vector<TokenId> stop_ids(const Tokenizer& tokenizer) const = 0;
  /// Texts that have to be single tokens and are not in this tokenizer.
  virtual std::vector<std::string> missing_tokens(const Tokenizer&) const { return {}; }
  /// The content of an answer whose text, without a stop token, is `generated`.
  virtual std::string answer(std::string_view generated) const { return std::string(generated); }
};

/// The template of that name, or of a YAML file that describes one (docs/chat.md). Throws ConfigError with the nearest
/// name for an unknown one, and naming file and key for a wrong file.
std::unique_ptr<ChatTemplate> make_chat_template(const std::string& name_or_file, const ChatOptions& options = {});

/// Names of all templates, sorted.
std::vector<std::string> chat_template_names();

/// The name of the template that fits a model folder, from its chat_template, tokenizer files and config.json. Throws
/// ConfigError naming the nearest one and how to choose when none fits.
std::string detect_chat_template(const FolderFiles& folder);

}  // namespace ingot::data
