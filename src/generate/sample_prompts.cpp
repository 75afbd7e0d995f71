#include "generate/sample_prompts.h"

#include <fmt/format.h>

#include <ostream>

#include "core/stop.h"
#include "generate/sampling.h"

namespace ingot::generate {
namespace {

/// A prompt as the model sees it, and what is printed in front of what it says.
struct Prompt {
  std::vector<data::TokenId> ids;
  std::string shown;
};

/// How prompts are made and where answers end.
class Prompter {
 public:
  Prompter(const SamplePrompts& prompts, const model::CausalLm& model) : tokenizer_(prompts.tokenizer), chat_(prompts.chat) {
    options.max_new_tokens = prompts.max_new_tokens;
    options.stop_ids.assign(model.config.eos_token_ids.begin(), model.config.eos_token_ids.end());
    if (!chat_) return;
    const auto stops = chat_->stop_ids(tokenizer_);
    options.stop_ids.insert(options.stop_ids.end(), stops.begin(), stops.end());
  }
  Prompt prompt(const std::string& text) const {
    if (!chat_) return {tokenizer_.encode_with_special_tokens(text), text};
    const data::Conversation question{{{data::Role::kUser, text}}};
    return {chat_->prompt(question, tokenizer_).ids, fmt::format("user: {}\nassistant: ", text)};
  }
  /// What the model said, without a token that ends it.
  std::string answer(const model::CausalLm& model, const Prompt& prompt) const {
    std::string text;
    TextStream stream(tokenizer_, prompt.ids);
    const auto is_stop = [&](data::TokenId id) { return std::find(options.stop_ids.begin(), options.stop_ids.end(), id) != options.stop_ids.end(); };
    sample_tokens(model, prompt.ids, options, [&](data::TokenId id) { if (!chat_ || !is_stop(id)) text += stream.add(id); });
    text += stream.finish();
    return chat_ ? chat_->answer(text) : text;
  }

  SamplingOptions options;

 private:
  const data::Tokenizer& tokenizer_;
  const data::ChatTemplate* chat_;
};

}  // namespace

void print_samples(const SamplePrompts& prompts, const model::CausalLm& model, const std::string& when, std::ostream& out) {
  if (prompts.texts.empty() || stop_requested()) return;
  const Prompter prompter(prompts, model);
  for (const auto& text : prompts.texts) {
    const Prompt prompt = prompter.prompt(text);
    if (prompt.ids.empty()) continue;
    out << fmt::format("--- sample {} training ---\n{}{}\n---\n", when, prompt.shown, prompter.answer(model, prompt)) << std::flush;
  }
}

}  // namespace ingot::generate
