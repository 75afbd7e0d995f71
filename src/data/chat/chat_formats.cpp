#include "data/chat/chat_formats.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/yaml_config.h"
#include "data/chat/format_parts.h"

namespace ingot::data {
namespace {

using Kind = FormatPart::Kind;
using Parts = std::vector<FormatPart>;

/// Where a format stands in a conversation.
struct Place {
  std::string content;
  size_t round = 1;
  float weight = 0;  // an answer's format: carries loss up to its last special token
};

class FormattedChat : public ChatFamily {
 public:
  FormattedChat(const ChatFormats& formats, const ChatOptions& options)
      : ChatFamily(formats.name, options), formats_(formats), prefix_(parse_format(formats.prefix)),
        system_(parse_format(formats.system)), user_(parse_format(formats.user)),
        assistant_(parse_format(formats.assistant)), separator_(parse_format(formats.separator)),
        observation_(formats.observation.empty() ? user_ : parse_format(formats.observation)),
        function_call_(formats.function_call.empty() ? assistant_ : parse_format(formats.function_call)) {}
  std::vector<std::string> missing_tokens(const Tokenizer& tokenizer) const override;

 protected:
  std::vector<std::string> special_tokens() const override { return token_texts(/*maybe_too=*/true); }
  std::vector<std::string> stop_tokens() const override { return formats_.stop; }
  void write(const Conversation& conversation, Purpose purpose, ChatWriter& to) const override;

 private:
  std::vector<std::string> token_texts(bool maybe_too) const;
  void write_system(const Conversation& conversation, ChatWriter& to) const;
  void write_format(const Parts& parts, const Place& place, ChatWriter& to) const;
  const Parts& parts_of(const Message& message) const;
  std::string content_of(const Message& message) const;
  ChatFormats formats_;
  Parts prefix_, system_, user_, assistant_, separator_, observation_, function_call_;
};

const Parts& FormattedChat::parts_of(const Message& message) const {
  switch (message.role) {
    case Role::kSystem: return system_;
    case Role::kUser: return user_;
    case Role::kObservation: return observation_;
    default: return message.calls.empty() ? assistant_ : function_call_;
  }
}

/// Calls stand as {"name", "arguments"}, several as a list of those.
std::string FormattedChat::content_of(const Message& message) const {
  if (message.calls.empty()) return message.content;
  if (message.content.find_first_not_of(" \t\r\n") != std::string::npos) refuse("it has no place for text beside a tool call");
  std::vector<std::string> calls;
  for (const auto& call : message.calls)
    calls.push_back(fmt::format(R"({{"name": {}, "arguments": {}}})", quoted_json(call.name), python_json(call.arguments)));
  return calls.size() == 1 ? calls[0] : fmt::format("[{}]", fmt::join(calls, ", "));
}

std::vector<std::string> FormattedChat::token_texts(bool maybe_too) const {
  std::vector<std::string> texts;
  for (const Parts* parts : {&prefix_, &system_, &user_, &assistant_, &separator_, &observation_, &function_call_})
    for (const auto& part : *parts)
      if (part.kind == Kind::kToken || (maybe_too && part.kind == Kind::kMaybeToken)) texts.push_back(part.text);
  return texts;
}

/// What looks like a control token, <|...|>, counts; <h1> or [INST] may be meant as text.
std::vector<std::string> FormattedChat::missing_tokens(const Tokenizer& tokenizer) const {
  auto texts = token_texts(/*maybe_too=*/true);
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  const auto sure = token_texts(/*maybe_too=*/false);
  std::erase_if(texts, [&](const std::string& text) {
    const bool counts = text.starts_with("<|") || std::find(sure.begin(), sure.end(), text) != sure.end();
    return !counts || tokenizer.token_id(text).has_value();
  });
  return texts;
}

/// The last part of an answer that carries loss: white space behind its last token does not.
size_t end_of_label(const Parts& parts) {
  size_t end = parts.size();
  while (end > 1 && parts[end - 1].kind == Kind::kText && parts[end - 2].kind != Kind::kContent &&
         parts[end - 1].text.find_first_not_of(" \n\r\t") == std::string::npos)
    --end;
  return end;
}

void FormattedChat::write_format(const Parts& parts, const Place& place, ChatWriter& to) const {
  to.cut();
  for (size_t i = 0; i < parts.size(); ++i) {
    const float weight = i < end_of_label(parts) ? place.weight : 0;
    switch (parts[i].kind) {
      case Kind::kContent: to.text(place.content, weight); break;
      case Kind::kRound: to.text(std::to_string(place.round), weight); break;
      case Kind::kBos: to.bos(weight); break;
      case Kind::kEos: to.eos(weight); break;
      case Kind::kText: to.text(parts[i].text, weight); break;
      case Kind::kToken: to.special(parts[i].text, weight); break;
      case Kind::kMaybeToken: to.special_or_text(parts[i].text, weight); break;
    }
  }
  to.cut();
}

void FormattedChat::write_system(const Conversation& conversation, ChatWriter& to) const {
  const bool given = conversation.messages[0].role == Role::kSystem;
  const std::string content = given ? conversation.messages[0].content : formats_.default_system;
  if (!content.empty()) write_format(system_, {content}, to);
}

void FormattedChat::write(const Conversation& conversation, Purpose purpose, ChatWriter& to) const {
  if (!conversation.tools.empty()) refuse_tools();
  expect_alternation(conversation, /*observations=*/true);
  const auto& messages = conversation.messages;
  if (purpose == Purpose::kGeneration && is_answer(messages.back().role))
    refuse("the last message is the assistant's, wanted a user's to answer");
  write_format(prefix_, {}, to);
  write_system(conversation, to);
  const size_t first = messages[0].role == Role::kSystem ? 1 : 0;
  float after = 0;  // weight of the answer before
  for (size_t i = first; i < messages.size(); ++i) {
    const bool answers = is_answer(messages[i].role);
    const Place place{content_of(messages[i]), (i - first) / 2 + 1, label_weight(messages[i])};
    if (!answers) {
      if (formats_.efficient_eos && after != 0) to.next_label_is_eos(after);
      to.begin_turn();
      if (i > first) write_format(separator_, {}, to);
    }
    write_format(parts_of(messages[i]), place, to);
    after = place.weight;
  }
  if (purpose == Purpose::kTraining && formats_.efficient_eos) to.eos(after);
}

}  // namespace

std::vector<std::string> ChatFormats::problems() const {
  Problems found;
  const std::pair<const char*, const std::string&> formats[] = {{"system", system}, {"user", user},
      {"assistant", assistant}, {"observation", observation}, {"function_call", function_call}};
  for (const auto& [key, format] : formats) {
    const bool may_be_empty = format.empty() && (&format == &observation || &format == &function_call);
    found.expect(may_be_empty || format.find("{content}") != std::string::npos, key, '"' + format + '"',
                 "a text with {content}");
  }
  const bool has_eos = assistant.find("{eos}") != std::string::npos;
  if (efficient_eos && has_eos) found.add("assistant: found {eos} together with efficient_eos, wanted one of them");
  return found.list();
}

ChatFormats read_chat_formats(const std::filesystem::path& file) {
  YamlConfig yaml(file, {});
  ChatFormats formats;
  formats.name = file.stem().string();
  yaml.read("efficient_eos", formats.efficient_eos);
  if (formats.efficient_eos) formats.assistant = "{content}";
  yaml.read("name", formats.name);
  yaml.read("prefix", formats.prefix);
  yaml.read("system", formats.system);
  yaml.read("user", formats.user);
  yaml.read("assistant", formats.assistant);
  yaml.read("observation", formats.observation);
  yaml.read("function_call", formats.function_call);
  yaml.read("separator", formats.separator);
  yaml.read("default_system", formats.default_system);
  yaml.read("stop", formats.stop);
  for (auto& problem : formats.problems()) yaml.problems().add(std::move(problem));
  yaml.finish();
  return formats;
}

std::unique_ptr<ChatTemplate> make_formatted(const ChatFormats& formats, const ChatOptions& options) {
  return std::make_unique<FormattedChat>(formats, options);
}

}  // namespace ingot::data
