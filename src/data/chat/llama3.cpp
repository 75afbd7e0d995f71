// Llama 3: llama3, and llama3.1 and llama3.2 with the knowledge header and tools. Roles come in any order.
#include <fmt/format.h>

#include "data/chat/chat_family.h"

namespace ingot::data {
namespace {

const std::string kBegin = "<|begin_of_text|>", kHeader = "<|start_header_id|>", kHeaderEnd = "<|end_header_id|>",
                  kEndOfTurn = "<|eot_id|>";

class Llama3 : public ChatFamily {
 public:
  Llama3(const std::string& name, const ChatOptions& options) : ChatFamily(name, options), header_(name != "llama3") {}

 protected:
  std::vector<std::string> special_tokens() const override { return {kBegin, kHeader, kHeaderEnd, kEndOfTurn}; }
  std::vector<std::string> stop_tokens() const override { return {kEndOfTurn, "<|end_of_text|>", "<|eom_id|>"}; }
  void write(const Conversation& conversation, Purpose purpose, ChatWriter& to) const override;

 private:
  void write_head(const Conversation& conversation, const std::vector<JsonValue>& tools, ChatWriter& to) const;
  std::string content_of(const Message& message) const;
  bool header_;  // a system message with dates, always
};

void open(std::string_view role, ChatWriter& to) {
  to.special(kHeader);
  to.text(role);
  to.special(kHeaderEnd);
  to.text("\n\n");
}

/// Source: the chat template of Llama-3.2-Instruct, with tools in the first user's message.
std::string text_of_tools(const std::vector<JsonValue>& tools) {
  std::string text = "Given the following functions, please respond with a JSON for a function call with its proper "
                     "arguments that best answers the given prompt.\n\nRespond in the format {\"name\": function name, "
                     "\"parameters\": dictionary of argument name and its value}.Do not use variables.\n\n";
  for (const auto& tool : tools) text += python_json(tool, 4) + "\n\n";
  return text;
}

void Llama3::write(const Conversation& conversation, Purpose purpose, ChatWriter& to) const {
  const auto& messages = conversation.messages;
  if (!header_) expect_no_tools(conversation);
  const auto& tools = conversation.tools;
  const bool system_done = header_ && messages[0].role == Role::kSystem;
  to.special(kBegin);
  if (header_) write_head(conversation, tools, to);
  for (size_t i = system_done ? 1 : 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    const float weight = label_weight(message);
    const bool takes_tools = !tools.empty() && i == (system_done ? 1 : 0);
    if (takes_tools && message.role != Role::kUser) refuse("tools stand in the first message, wanted a user's there");
    if (opens_turn(conversation, i)) to.begin_turn();
    open(header_ && message.role == Role::kObservation ? "ipython" : role_name(message.role), to);
    if (takes_tools) to.text(text_of_tools(tools));
    to.text(content_of(message), weight);
    to.special(kEndOfTurn, weight);
  }
  if (purpose == Purpose::kGeneration) open(role_name(Role::kAssistant), to);
}

void Llama3::write_head(const Conversation& conversation, const std::vector<JsonValue>& tools, ChatWriter& to) const {
  open(role_name(Role::kSystem), to);
  if (!tools.empty()) to.text("Environment: ipython\n");
  to.text("Cutting Knowledge Date: December 2023\nToday Date: " + options().date + "\n\n");
  if (conversation.messages[0].role == Role::kSystem) to.text(stripped(conversation.messages[0].content));
  to.special(kEndOfTurn);
}

std::string Llama3::content_of(const Message& message) const {
  if (header_ && message.role == Role::kObservation) return message.is_json ? message.content : quoted_json(message.content);
  const auto& calls = message.calls;
  if (calls.empty()) return std::string(stripped(message.content));
  if (calls.size() > 1) refuse("found several tool calls in one message, wanted one");
  if (!stripped(message.content).empty()) refuse("it has no place for text beside a tool call");
  return "{\"name\": \"" + calls[0].name + "\", \"parameters\": " + python_json(calls[0].arguments) + "}";
}

}  // namespace

std::unique_ptr<ChatTemplate> make_llama3(const std::string& name, const ChatOptions& options) {
  if (name != "llama3" && name != "llama3.1" && name != "llama3.2") return nullptr;
  return std::make_unique<Llama3>(name, options);
}

}  // namespace ingot::data
