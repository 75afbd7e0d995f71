// chatglm3 and glm4: a role's token, then its metadata line and its content, each encoded by itself. Roles come in any
// order. Source: build_single_message and fine-tuning scripts of both.
#include <fmt/format.h>

#include "data/chat/chat_family.h"
#include "data/chat/python_repr.h"

namespace ingot::data {
namespace {

const std::string kMask = "[gMASK]", kUser = "<|user|>", kObservation = "<|observation|>", kAssistant = "<|assistant|>",
                  kSystem = "<|system|>";

struct TurnParts {
  std::string metadata, content;
};

class Glm : public ChatFamily {
 public:
  Glm(const std::string& name, const ChatOptions& options)
      : ChatFamily(name, options), is_glm4_(name == "glm4"), sop_(is_glm4_ ? "<sop>" : "sop"),
        default_system_(name == "chatglm3_system"
                            ? "You are ChatGLM3, a large language model trained by Zhipu.AI. Follow the user's "
                              "instructions carefully. Respond using markdown."
                            : "") {}
  std::string answer(std::string_view generated) const override;

 protected:
  std::vector<std::string> special_tokens() const override {
    return {kMask, sop_, kSystem, kUser, kAssistant, kObservation};
  }
  std::vector<std::string> stop_tokens() const override { return {kUser, kObservation}; }
  void write(const Conversation& conversation, Purpose purpose, ChatWriter& to) const override;

 private:
  float trained(const Message& message) const;
  std::vector<TurnParts> parts_of(const Message& message) const;
  void write_parts(const std::string& marker, const TurnParts& parts, float after, float weight, ChatWriter& to) const;
  std::string content_of(const ToolCall& call) const;
  std::string text_of_tools(const std::vector<JsonValue>& tools) const;
  void write_system(const Conversation& conversation, ChatWriter& to) const;
  bool is_glm4_;
  std::string sop_, default_system_;
};

const std::string& marker_of(Role role) {
  switch (role) {
    case Role::kSystem: return kSystem;
    case Role::kUser: return kUser;
    case Role::kObservation: return kObservation;
    default: return kAssistant;
  }
}

/// ChatGLM3's script trains on what tools answered, too.
float Glm::trained(const Message& message) const {
  const bool observation = options().vendor_labels && !is_glm4_ && message.role == Role::kObservation;
  return observation ? static_cast<float>(message.weight) : label_weight(message);
}

/// Text and a call are two messages of the vendor's.
std::vector<TurnParts> Glm::parts_of(const Message& message) const {
  std::vector<TurnParts> parts;
  if (message.calls.empty() || !message.content.empty()) parts.push_back({"", message.content});
  if (message.calls.size() > 1) refuse("found several tool calls in one message, wanted one");
  for (const auto& call : message.calls) parts.push_back({call.name, content_of(call)});
  return parts;
}

/// ChatGLM3 calls in Python. Source: format_function_call of its fine-tuning script.
std::string Glm::content_of(const ToolCall& call) const {
  if (is_glm4_) return python_json(call.arguments);
  std::vector<std::string> arguments;
  for (size_t i = 0; i < call.arguments.items.size(); ++i)
    arguments.push_back(call.arguments.keys[i] + "=" + python_repr(call.arguments.items[i]));
  return fmt::format("```python\ntool_call({})\n```", fmt::join(arguments, ", "));
}

/// The role token behind a trained message is what ends it, so it is that message's last label. The vendors' scripts
/// also train on the metadata line.
void Glm::write_parts(const std::string& marker, const TurnParts& parts, float after, float weight,
                      ChatWriter& to) const {
  to.special(marker, after);
  to.text(parts.metadata + "\n", options().vendor_labels || !parts.metadata.empty() ? weight : 0);
  to.cut();
  to.text(parts.content, weight);
}

/// Source: the tool branch of GLM-4's builder, of which functions are here.
std::string Glm::text_of_tools(const std::vector<JsonValue>& tools) const {
  std::string text = "你是一个名为 GLM-4 的人工智能助手。你是基于智谱AI训练的语言模型 GLM-4 模型开发的，你的任务是针对用户的问题和要求"
                     "提供适当的答复和支持。\n\n# 可用工具";
  for (const auto& tool : tools) {
    const JsonValue* inner = tool.find("function");
    const JsonValue& function = inner ? *inner : tool;
    const JsonValue* name = function.find("name");
    if (!name || !name->is_text()) refuse("a tool is no function with a name");
    text += "\n\n## " + name->text + "\n\n" + python_json(function, 4) +
            "\n在调用上述函数时，请使用 Json 格式表示调用的参数。";
  }
  return text;
}

/// Source: ChatGLM3's build_chat_input puts tools behind the system's text; its fine-tuning script has the text where
/// there is none. GLM-4's builder gives them a message of their own.
void Glm::write_system(const Conversation& conversation, ChatWriter& to) const {
  const bool given = conversation.messages[0].role == Role::kSystem;
  const auto& tools = conversation.tools;
  std::string content = given ? conversation.messages[0].content : default_system_;
  if (!tools.empty() && !is_glm4_) {
    if (!given) content = "Answer the following questions as best as you can. You have access to the following tools:";
    content += "\n" + python_json({JsonValue::Kind::kList, {}, {}, tools}, 4);
  }
  if (!tools.empty() && is_glm4_) write_parts(kSystem, {"", text_of_tools(tools)}, 0, 0, to);
  const bool skipped = content.empty() && (is_glm4_ || !given);  // GLM-4 leaves an empty one out
  if (!skipped) write_parts(kSystem, {"", content}, 0, 0, to);
}

void Glm::write(const Conversation& conversation, Purpose purpose, ChatWriter& to) const {
  const auto& messages = conversation.messages;
  to.special(kMask);
  to.special(sop_);
  write_system(conversation, to);
  float after = 0;  // weight of the message before
  for (size_t i = messages[0].role == Role::kSystem ? 1 : 0; i < messages.size(); ++i) {
    if (opens_turn(conversation, i)) to.begin_turn();
    for (const auto& parts : parts_of(messages[i])) {
      write_parts(marker_of(messages[i].role), parts, after, trained(messages[i]), to);
      after = trained(messages[i]);
    }
  }
  if (purpose == Purpose::kGeneration) to.special(kAssistant);
  else if (is_glm4_) to.special(kUser, after);
  else to.eos(after);
}

/// A model writes the metadata line first; it is empty but for calls.
std::string Glm::answer(std::string_view generated) const {
  const size_t line = generated.find('\n');
  const bool plain = line != std::string_view::npos && stripped(generated.substr(0, line)).empty();
  return std::string(stripped(plain ? generated.substr(line + 1) : generated));
}

}  // namespace

std::unique_ptr<ChatTemplate> make_glm(const std::string& name, const ChatOptions& options) {
  if (name != "chatglm3" && name != "chatglm3_system" && name != "glm4") return nullptr;
  return std::make_unique<Glm>(name, options);
}

}  // namespace ingot::data
