#include "data/chat/chat_family.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "data/tokenizer/utf8.h"

namespace ingot::data {
namespace {

bool is_python_space(char32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); }

}  // namespace

bool is_answer(Role role) { return role == Role::kAssistant; }
bool is_question(Role role) { return role == Role::kUser || role == Role::kObservation; }

bool opens_turn(const Conversation& conversation, size_t index) {
  const auto& messages = conversation.messages;
  const Role role = messages[index].role;
  if (role == Role::kSystem) return false;
  if (index == 0 || (index == 1 && messages[0].role == Role::kSystem)) return true;
  return is_question(role) && !is_question(messages[index - 1].role);
}

std::string_view role_name(Role role) {
  switch (role) {
    case Role::kSystem: return "system";
    case Role::kUser: return "user";
    case Role::kObservation: return "tool";
    default: return "assistant";
  }
}

std::string_view stripped(std::string_view text) {
  std::string repaired;
  if (valid_utf8(text, repaired).data() != text.data()) return text;  // the tokenizer repairs it; no border is certain
  while (!text.empty() && is_python_space(utf8_code_point(text.data()))) text.remove_prefix(utf8_length(text[0]));
  while (!text.empty() && is_python_space(utf8_code_point(text.data() + last_character(text))))
    text.remove_suffix(text.size() - last_character(text));
  return text;
}

RenderedChat ChatFamily::write_all(const Conversation& conversation, const Tokenizer& tokenizer,
                                   Purpose purpose) const {
  if (conversation.messages.empty()) refuse("a conversation without messages");
  for (const auto& message : conversation.messages)
    if (!message.reasoning.empty()) refuse("it has no place for reasoning_content; ignore_fields: [reasoning_content] leaves it out");
  auto control = special_tokens();
  for (auto& token : stop_tokens()) control.push_back(std::move(token));
  ChatWriter writer(tokenizer, name_, std::move(control));
  write(conversation, purpose, writer);
  return writer.take();
}

RenderedChat ChatFamily::render(const Conversation& conversation, const Tokenizer& tokenizer) const {
  return write_all(conversation, tokenizer, Purpose::kTraining);
}

RenderedChat ChatFamily::prompt(const Conversation& conversation, const Tokenizer& tokenizer) const {
  RenderedChat chat = write_all(conversation, tokenizer, Purpose::kGeneration);
  std::fill(chat.loss_mask.begin(), chat.loss_mask.end(), kNoLabel);
  std::fill(chat.weights.begin(), chat.weights.end(), 0.0F);
  return chat;
}

std::vector<TokenId> ChatFamily::stop_ids(const Tokenizer& tokenizer) const {
  std::vector<TokenId> ids;
  if (const auto id = tokenizer.eos_id()) ids.push_back(*id);
  for (const auto& token : stop_tokens())
    if (const auto id = tokenizer.token_id(token)) ids.push_back(*id);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

std::vector<std::string> ChatFamily::missing_tokens(const Tokenizer& tokenizer) const {
  auto tokens = special_tokens();
  std::erase_if(tokens, [&](const std::string& token) { return tokenizer.token_id(token).has_value(); });
  return tokens;
}

void ChatFamily::refuse(const std::string& what) const {
  throw DataError(fmt::format("template {}: {}", name_, what));
}

void ChatFamily::expect_alternation(const Conversation& conversation, bool observations) const {
  const auto& messages = conversation.messages;
  const size_t first = !messages.empty() && messages[0].role == Role::kSystem ? 1 : 0;
  if (first == messages.size()) refuse("found no message but the system's, wanted a user's");
  for (size_t i = first; i < messages.size(); ++i) {
    const Role role = messages[i].role;
    const bool wants_question = (i - first) % 2 == 0;
    if (role == Role::kObservation && !observations) refuse("a tool's answer has no place in it");
    if (wants_question ? !is_question(role) : !is_answer(role))
      refuse(fmt::format("found role {} where {} was wanted: users and the assistant take turns", role_name(role),
                         wants_question ? "user" : "assistant"));
  }
}

void ChatFamily::expect_no_tools(const Conversation& conversation) const {
  if (!conversation.tools.empty()) refuse_tools();
  for (const auto& message : conversation.messages)
    if (!message.calls.empty()) refuse("it has no place for tool calls; qwen2.5, llama3.1, llama3.2, glm4 and chatglm3 have");
}

void ChatFamily::refuse_tools() const { refuse("it has no place for tools; qwen2.5, llama3.1, llama3.2, glm4 and chatglm3 have"); }

}  // namespace ingot::data
