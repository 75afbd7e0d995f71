#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/chat/conversation.h"

namespace ingot::data {

/// What is done with a conversation of more tokens than fit.
///   error         the run ends, naming the record
///   skip          it is left out
///   cut_prompt    the oldest turns are left out whole; of a last turn that is still too long, the end of the question
///   cut_response  everything behind the last token that fits
enum class Truncation { kError, kSkip, kCutPrompt, kCutResponse };

/// Throws ConfigError for another name.
Truncation truncation_of(const std::string& name);
std::string truncation_name(Truncation truncation);
std::vector<std::string> truncation_names();

struct SampleOptions {
  int64_t cutoff_len = 1024;  // tokens of a sample at most
  Truncation truncation = Truncation::kCutResponse;
  bool train_on_prompt = false;  // every token is a label
  bool mask_history = false;     // of the answers only the last is a label
};

/// One conversation as it is trained on, or the reason why not.
struct Sample {
  std::vector<TokenId> ids;
  std::vector<uint8_t> loss_mask;      // [ids]  as RenderedChat has it
  std::vector<float> weights;          // [ids]  of labels in the loss; empty: each weighs 1
  uint64_t rendered = 0;               // tokens before any cut; those kept are ids.size()
  std::string reason, detail;          // of one that is left out
  uint64_t cut() const { return rendered - ids.size(); }
  uint64_t num_labels() const;         // the first token is never one, for nothing predicts it
};

/// Applies template and truncation. Throws DataError with truncation error when it is too long; what else is wrong
/// with the conversation becomes a reason.
Sample render_sample(Conversation conversation, const ChatTemplate& chat, const Tokenizer& tokenizer,
                     const SampleOptions& options);

}  // namespace ingot::data
