#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "model/causal_lm.h"

namespace ingot::generate {

/// Texts that show what a model says.
struct SamplePrompts {
  std::vector<std::string> texts;
  const data::Tokenizer& tokenizer;
  const data::ChatTemplate* chat = nullptr;  // texts are a user's messages, what is printed their answers; null: continued
  int64_t max_new_tokens = 48;
};

/// Continues or answers every text and prints it on `out`. `when` is "before" or "after". All tensor ranks of a model call it together.
void print_samples(const SamplePrompts& prompts, const model::CausalLm& model, const std::string& when, std::ostream& out);

}  // namespace ingot::generate
