// [INST] ... [/INST]: llama2, mistral, mixtral. Users and the assistant take turns; tools have no place.
#include <fmt/format.h>

#include "data/chat/chat_family.h"

namespace ingot::data {
namespace {

class Inst : public ChatFamily {
 public:
  using ChatFamily::ChatFamily;

 protected:
  std::vector<std::string> special_tokens() const override { return {}; }
  std::vector<std::string> stop_tokens() const override { return {}; }
  /// A user's text with the system's in it.
  virtual std::string question(const std::string* system, const std::string& user) const = 0;
  virtual std::string reply(const std::string& assistant) const = 0;
  virtual bool bos_every_turn() const = 0;
  void write(const Conversation& conversation, Purpose purpose, ChatWriter& to) const override;
};

void Inst::write(const Conversation& conversation, Purpose purpose, ChatWriter& to) const {
  expect_no_tools(conversation);
  expect_alternation(conversation, /*observations=*/false);
  const auto& messages = conversation.messages;
  const size_t first = messages[0].role == Role::kSystem ? 1 : 0;
  if (purpose == Purpose::kGeneration && is_answer(messages.back().role))
    refuse("the last message is the assistant's, wanted a user's to answer");
  if (!bos_every_turn()) to.bos();
  for (size_t i = first; i < messages.size(); ++i) {
    const Message& message = messages[i];
    if (is_answer(message.role)) {
      to.text(reply(message.content), label_weight(message));
      to.eos(label_weight(message));
      continue;
    }
    to.begin_turn();
    if (bos_every_turn()) to.bos();
    to.text("[INST] " + question(i == 1 && first == 1 ? &messages[0].content : nullptr, message.content) + " [/INST]");
  }
}

/// The template strips a turn as a whole: the system's text and the space between it and the user's stay.
class Llama2 : public Inst {
 public:
  explicit Llama2(const ChatOptions& options) : Inst("llama2", options) {}
  std::string answer(std::string_view generated) const override { return std::string(stripped(generated)); }

 protected:
  std::string question(const std::string* system, const std::string& user) const override {
    return std::string(stripped(system ? "<<SYS>>\n" + *system + "\n<</SYS>>\n\n" + user : user));
  }
  std::string reply(const std::string& assistant) const override { return fmt::format(" {} ", stripped(assistant)); }
  bool bos_every_turn() const override { return true; }
};

class Mistral : public Inst {
 public:
  using Inst::Inst;

 protected:
  std::string question(const std::string* system, const std::string& user) const override {
    return system ? *system + "\n\n" + user : user;
  }
  std::string reply(const std::string& assistant) const override { return assistant; }
  bool bos_every_turn() const override { return false; }
};

}  // namespace

std::unique_ptr<ChatTemplate> make_inst(const std::string& name, const ChatOptions& options) {
  if (name == "llama2") return std::make_unique<Llama2>(options);
  if (name == "mistral" || name == "mixtral") return std::make_unique<Mistral>(name, options);
  return nullptr;
}

}  // namespace ingot::data
