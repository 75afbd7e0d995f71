// ChatML and its kin: chatml, chatml_de, qwen (v1), qwen1.5, qwen2, qwen2.5, yi, smollm2. Roles come in any order.
#include <fmt/format.h>

#include "data/chat/chat_family.h"

namespace ingot::data {
namespace {

enum class Vendor { kCommon, kMarkers, kEverything };

struct Style {
  const char* name;
  const char* default_system;         // written when a conversation has none; null: nothing is
  bool tools = false;                 // Qwen2.5's tool branch
  bool separate = false;              // role, newline and content are encoded one by one, as Qwen v1 does
  Vendor vendor = Vendor::kCommon;    // labels of the vendor's own fine-tuning script
};

constexpr Style kStyles[] = {
    {.name = "chatml", .default_system = nullptr},
    {.name = "chatml_de", .default_system = "Du bist ein freundlicher und hilfsbereiter KI-Assistent."},
    {.name = "qwen", .default_system = "You are a helpful assistant.", .separate = true, .vendor = Vendor::kMarkers},
    {.name = "qwen1.5", .default_system = "You are a helpful assistant", .vendor = Vendor::kEverything},
    {.name = "qwen2", .default_system = "You are a helpful assistant."},
    {.name = "qwen2.5",
     .default_system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
     .tools = true},
    {.name = "smollm2",
     .default_system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
    {.name = "yi", .default_system = nullptr},
};

const std::string kStart = "<|im_start|>", kEnd = "<|im_end|>";

class ChatMl : public ChatFamily {
 public:
  ChatMl(const Style& style, const ChatOptions& options) : ChatFamily(style.name, options), style_(style) {}
  bool labels_everything() const override { return all_labels(); }

 protected:
  std::vector<std::string> special_tokens() const override { return {kStart, kEnd}; }
  std::vector<std::string> stop_tokens() const override { return {kEnd, "<|endoftext|>"}; }
  void write(const Conversation& conversation, Purpose purpose, ChatWriter& to) const override;

 private:
  bool all_labels() const { return options().vendor_labels && style_.vendor == Vendor::kEverything; }
  bool marker_labels() const { return options().vendor_labels && style_.vendor != Vendor::kCommon; }
  void open(std::string_view role, ChatWriter& to) const;
  void close(float weight, ChatWriter& to) const;
  size_t write_message(const Conversation& conversation, size_t index, ChatWriter& to) const;
  void write_system(const Conversation& conversation, ChatWriter& to) const;
  void write_calls(const Message& message, ChatWriter& to) const;
  size_t write_observations(const Conversation& conversation, size_t index, ChatWriter& to) const;
  Style style_;
};

void ChatMl::open(std::string_view role, ChatWriter& to) const {
  to.special(kStart, marker_labels());
  to.text(role, all_labels());
  if (style_.separate) to.cut();
}

void ChatMl::close(float weight, ChatWriter& to) const {
  to.special(kEnd, weight != 0 ? weight : marker_labels());
  to.text("\n", marker_labels());
}

void ChatMl::write(const Conversation& conversation, Purpose purpose, ChatWriter& to) const {
  if (!style_.tools) expect_no_tools(conversation);
  write_system(conversation, to);
  const auto& messages = conversation.messages;
  for (size_t i = messages[0].role == Role::kSystem ? 1 : 0; i < messages.size(); i = write_message(conversation, i, to)) {
  }
  if (purpose == Purpose::kTraining) return;
  open(role_name(Role::kAssistant), to);
  to.text("\n");
}

/// Source: the tool branch of Qwen2.5's chat template.
void ChatMl::write_system(const Conversation& conversation, ChatWriter& to) const {
  const bool given = conversation.messages[0].role == Role::kSystem;
  const auto& tools = conversation.tools;
  if (!given && !style_.default_system && tools.empty()) return;
  std::string text = given ? conversation.messages[0].content : style_.default_system;
  if (!tools.empty()) {
    text += "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with "
            "function signatures within <tools></tools> XML tags:\n<tools>";
    for (const auto& tool : tools) text += "\n" + python_json(tool);
    text += "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
            "<tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": "
            "<args-json-object>}\n</tool_call>";
  }
  open(role_name(Role::kSystem), to);
  to.text("\n", all_labels());
  if (style_.separate) to.cut();
  to.text(text, all_labels());
  close(0, to);
}

/// Writes the message, and those that share its markers; returns the index behind them.
size_t ChatMl::write_message(const Conversation& conversation, size_t index, ChatWriter& to) const {
  const Message& message = conversation.messages[index];
  const float weight = label_weight(message);
  if (opens_turn(conversation, index)) to.begin_turn();
  if (style_.tools && message.role == Role::kObservation) return write_observations(conversation, index, to);
  open(role_name(message.role), to);
  to.text("\n", all_labels());
  if (style_.separate) to.cut();
  to.text(message.content, weight != 0 ? weight : all_labels());
  write_calls(message, to);
  close(weight, to);
  return index + 1;
}

void ChatMl::write_calls(const Message& message, ChatWriter& to) const {
  bool first = message.content.empty();
  for (const auto& call : message.calls) {
    if (!first) to.text("\n", label_weight(message));
    first = false;
    to.text("<tool_call>\n{\"name\": \"" + call.name + "\", \"arguments\": " + python_json(call.arguments) +
                "}\n</tool_call>", label_weight(message));
  }
}

/// Answers of tools that follow each other stand in one user's message.
size_t ChatMl::write_observations(const Conversation& conversation, size_t index, ChatWriter& to) const {
  open(role_name(Role::kUser), to);
  for (; index < conversation.messages.size() && conversation.messages[index].role == Role::kObservation; ++index)
    to.text("\n<tool_response>\n" + conversation.messages[index].content + "\n</tool_response>");
  close(0, to);
  return index;
}

}  // namespace

std::unique_ptr<ChatTemplate> make_chatml(const std::string& name, const ChatOptions& options) {
  for (const auto& style : kStyles)
    if (style.name == name) return std::make_unique<ChatMl>(style, options);
  return nullptr;
}

}  // namespace ingot::data
