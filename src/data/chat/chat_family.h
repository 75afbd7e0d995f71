#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/chat/chat_writer.h"
#include "data/chat/python_json.h"

namespace ingot::data {

/// What templates of all families have in common: a family says what it writes.
class ChatFamily : public ChatTemplate {
 public:
  ChatFamily(std::string name, ChatOptions options) : name_(std::move(name)), options_(std::move(options)) {}
  std::string_view name() const final { return name_; }
  RenderedChat render(const Conversation& conversation, const Tokenizer& tokenizer) const final;
  RenderedChat prompt(const Conversation& conversation, const Tokenizer& tokenizer) const final;
  std::vector<TokenId> stop_ids(const Tokenizer& tokenizer) const final;
  std::vector<std::string> missing_tokens(const Tokenizer& tokenizer) const override;

 protected:
  enum class Purpose { kTraining, kGeneration };
  /// Writes the conversation; for generation, up to where the next answer begins.
  virtual void write(const Conversation& conversation, Purpose purpose, ChatWriter& to) const = 0;
  /// Texts of the special tokens that it writes, bos and eos left out.
  virtual std::vector<std::string> special_tokens() const = 0;
  /// Texts of tokens that end an answer, beside eos; those that a tokenizer lacks do not count.
  virtual std::vector<std::string> stop_tokens() const = 0;

  const ChatOptions& options() const { return options_; }
  /// Throws DataError with the template's name. The text is one of few: data sets count records under it.
  [[noreturn]] void refuse(const std::string& what) const;
  /// Throws DataError unless users (and tools where `observations`) and the assistant take turns, a user first, behind
  /// an optional system message.
  void expect_alternation(const Conversation& conversation, bool observations) const;
  /// Throws DataError when there are tools or calls.
  void expect_no_tools(const Conversation& conversation) const;
  [[noreturn]] void refuse_tools() const;

 private:
  RenderedChat write_all(const Conversation& conversation, const Tokenizer& tokenizer, Purpose purpose) const;
  std::string name_;
  ChatOptions options_;
};

/// The parts of a conversation, for families that write them in different ways.
bool is_answer(Role role);
bool is_question(Role role);
/// True when message `index` is the first of a turn.
bool opens_turn(const Conversation& conversation, size_t index);
/// "user", "assistant", ...
std::string_view role_name(Role role);
/// Text without white space at both ends, as Python's str.strip leaves it.
std::string_view stripped(std::string_view text);

/// One maker a file: the template of that name, or null when it is another family's.
using ChatTemplateMaker = std::unique_ptr<ChatTemplate> (*)(const std::string& name, const ChatOptions& options);
std::unique_ptr<ChatTemplate> make_chatml(const std::string& name, const ChatOptions& options);
std::unique_ptr<ChatTemplate> make_llama3(const std::string& name, const ChatOptions& options);
std::unique_ptr<ChatTemplate> make_inst(const std::string& name, const ChatOptions& options);
std::unique_ptr<ChatTemplate> make_glm(const std::string& name, const ChatOptions& options);
std::unique_ptr<ChatTemplate> make_baichuan2(const std::string& name, const ChatOptions& options);
std::unique_ptr<ChatTemplate> make_plain(const std::string& name, const ChatOptions& options);

}  // namespace ingot::data
