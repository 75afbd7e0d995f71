#include "workflows/sample_prompts.h"

#include <fmt/format.h>

#include <iostream>

#include "core/stop.h"
#include "workflows/preprocess.h"
#include "workflows/sampling.h"

namespace ingot::workflows {
namespace {

/// A prompt as the model sees it, and what is printed in front of what it says.
struct Prompt {
  std::vector<data::TokenId> ids;
  std::string shown;
};

/// How prompts are made and where answers end.
class Prompter {
 public:
  explicit Prompter(const TrainConfig& config, const model::CausalLm& model) : tokenizer_(data::load_tokenizer(config.model_name_or_path)) {
    options.max_new_tokens = config.sample_max_new_tokens;
    options.stop_ids.assign(model.config.eos_token_ids.begin(), model.config.eos_token_ids.end());
    if (config.stage != "sft") return;
    chat_ = open_chat_template(config);
    const auto stops = chat_->stop_ids(*tokenizer_);
    options.stop_ids.insert(options.stop_ids.end(), stops.begin(), stops.end());
  }
  Prompt prompt(const std::string& text) const {
    if (!chat_) return {tokenizer_->encode_with_special_tokens(text), text};
    const data::Conversation question{{{data::Role::kUser, text}}};
    return {chat_->prompt(question, *tokenizer_).ids, fmt::format("user: {}\nassistant: ", text)};
  }
  /// What the model said, without a token that ends it.
  std::string answer(const model::CausalLm& model, const Prompt& prompt) const {
    std::string text;
    TextStream stream(*tokenizer_, prompt.ids);
    const auto is_stop = [&](data::TokenId id) { return std::find(options.stop_ids.begin(), options.stop_ids.end(), id) != options.stop_ids.end(); };
    sample_tokens(model, prompt.ids, options, [&](data::TokenId id) { if (!chat_ || !is_stop(id)) text += stream.add(id); });
    text += stream.finish();
    return chat_ ? chat_->answer(text) : text;
  }

  SamplingOptions options;

 private:
  std::unique_ptr<data::Tokenizer> tokenizer_;
  std::unique_ptr<data::ChatTemplate> chat_;
};

}  // namespace

void print_samples(const TrainConfig& config, const model::CausalLm& model, const std::string& when) {
  if (config.sample_prompts.empty() || stop_requested()) return;
  const Prompter prompter(config, model);
  for (const auto& text : config.sample_prompts) {
    const Prompt prompt = prompter.prompt(text);
    if (prompt.ids.empty()) continue;
    std::cout << fmt::format("--- sample {} training ---\n{}{}\n---\n", when, prompt.shown, prompter.answer(model, prompt)) << std::flush;
  }
}

}  // namespace ingot::workflows
