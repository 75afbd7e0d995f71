#pragma once

#include "core/error.h"
#include "data/chat/chat_template.h"
#include "test_files.h"

namespace ingot::data {

/// A template of one line a message: "U:question\n", "A:answer\n" and so on. The answer and its line end are labels; it
/// begins with "<" and ends with ">". Tools are refused.
struct LineChat : ChatTemplate {
  std::string_view name() const override { return "lines"; }
  RenderedChat render(const Conversation& conversation, const Tokenizer& tokenizer) const override {
    if (!conversation.tools.empty()) throw DataError("tools cannot be told");
    RenderedChat rendered;
    append(rendered, "<", 0, tokenizer);
    for (const auto& message : conversation.messages) {
      if (message.role == Role::kUser) rendered.turn_starts.push_back(rendered.ids.size());
      append(rendered, std::string(1, "SUAO"[static_cast<int>(message.role)]) + ":", 0, tokenizer);
      append(rendered, message.content + "\n", label_weight(message), tokenizer);
    }
    append(rendered, ">", 0, tokenizer);
    return rendered;
  }
  RenderedChat prompt(const Conversation& conversation, const Tokenizer& tokenizer) const override {
    RenderedChat rendered = render(conversation, tokenizer);
    std::fill(rendered.loss_mask.begin(), rendered.loss_mask.end(), uint8_t{0});
    return rendered;
  }
  std::vector<TokenId> stop_ids(const Tokenizer&) const override { return {'\n'}; }

 private:
  static void append(RenderedChat& rendered, const std::string& text, float weight, const Tokenizer& tokenizer) {
    const auto ids = tokenizer.encode_ordinary(text);
    rendered.text += text;
    rendered.ids.insert(rendered.ids.end(), ids.begin(), ids.end());
    for (size_t i = 0; i < ids.size() && weight == kSilent; ++i) rendered.silent.push_back(rendered.loss_mask.size() + i);
    rendered.loss_mask.insert(rendered.loss_mask.end(), ids.size(), weight > 0 ? 1 : 0);
    rendered.weights.insert(rendered.weights.end(), ids.size(), std::max(weight, 0.0F));
  }
};

}  // namespace ingot::data
