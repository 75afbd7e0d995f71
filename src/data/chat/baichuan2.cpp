// baichuan2: the system's text without a marker, then users and answers behind a marker each, with nothing between an
// answer and the next user's marker: there the label is eos. Two messages of one role may follow each other.
#include <fmt/format.h>

#include "data/chat/chat_family.h"

namespace ingot::data {
namespace {

const std::string kUserToken = "<reserved_106>", kAssistantToken = "<reserved_107>";

class Baichuan2 : public ChatFamily {
 public:
  explicit Baichuan2(const ChatOptions& options) : ChatFamily("baichuan2", options) {}

 protected:
  std::vector<std::string> special_tokens() const override { return {kUserToken, kAssistantToken}; }
  std::vector<std::string> stop_tokens() const override { return {}; }
  void write(const Conversation& conversation, Purpose purpose, ChatWriter& to) const override;
};

void Baichuan2::write(const Conversation& conversation, Purpose purpose, ChatWriter& to) const {
  expect_no_tools(conversation);
  const auto& messages = conversation.messages;
  if (messages[0].role == Role::kSystem) to.text(messages[0].content);
  float after = 0;  // weight of the answer before
  for (size_t i = messages[0].role == Role::kSystem ? 1 : 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    if (message.role == Role::kSystem || message.role == Role::kObservation)
      refuse(fmt::format("role {} has no place there", role_name(message.role)));
    const bool answers = is_answer(message.role);
    if (!answers && (after != 0 || options().vendor_labels)) to.next_label_is_eos(after != 0 ? after : 1);
    if (opens_turn(conversation, i)) to.begin_turn();
    to.special(answers ? kAssistantToken : kUserToken);
    after = label_weight(message);
    to.text(message.content, after);
  }
  if (purpose == Purpose::kGeneration) to.special(kAssistantToken);
  else to.eos(after != 0 ? after : options().vendor_labels);
}

}  // namespace

std::unique_ptr<ChatTemplate> make_baichuan2(const std::string& name, const ChatOptions& options) {
  return name == "baichuan2" ? std::make_unique<Baichuan2>(options) : nullptr;
}

}  // namespace ingot::data
