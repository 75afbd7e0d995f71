#include "data/sft/render_sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/error.h"
#include "data/sft/record_error.h"
#include "data/tokenizer/utf8.h"

namespace ingot::data {
namespace {

const std::map<std::string, Truncation> kTruncations{{"error", Truncation::kError},
                                                     {"skip", Truncation::kSkip},
                                                     {"cut_prompt", Truncation::kCutPrompt},
                                                     {"cut_response", Truncation::kCutResponse}};

void keep_last_label(Conversation& conversation) {
  const auto is_answer = [](const Message& message) { return message.role == Role::kAssistant; };
  const auto last = std::find_if(conversation.messages.rbegin(), conversation.messages.rend(), is_answer);
  for (auto& message : conversation.messages)
    if (last == conversation.messages.rend() || &message != &*last) message.masked = true;
}

/// Renders conversations; what the template refuses is a RecordError.
struct Renderer {
  const ChatTemplate& chat;
  const Tokenizer& tokenizer;
  RenderedChat operator()(const Conversation& conversation) const {
    try {
      return chat.render(conversation, tokenizer);
    } catch (const DataError& error) {
      const std::string prefix = fmt::format("template {}: ", chat.name()), what = error.what();
      throw RecordError(what.starts_with(prefix) ? what : prefix + what);
    }
  }
};

/// Renders one conversation again and again with parts left out, until it fits.
class PromptCutter {
 public:
  PromptCutter(const Conversation& whole, const Renderer& render, size_t limit) : whole_(whole), render_(render), limit_(limit) {
    for (size_t i = 0; i < whole.messages.size(); ++i)
      if (whole.messages[i].role == Role::kUser) turns_.push_back(i);
  }

  RenderedChat cut() {
    if (turns_.empty()) throw RecordError("longer than cutoff_len, with no question to cut");
    size_t low = 0, high = turns_.size() - 1;  // the last turn is never left out
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      if (fits(without_turns(middle))) high = middle;
      else low = middle + 1;
    }
    Conversation shorter = without_turns(low);
    RenderedChat rendered = render_(shorter);
    return rendered.ids.size() <= limit_ ? rendered : cut_question(std::move(shorter));
  }

 private:
  bool fits(const Conversation& conversation) const { return render_(conversation).ids.size() <= limit_; }

  /// Without the first `count` questions and what belongs to them; system messages stay.
  Conversation without_turns(size_t count) const {
    Conversation shorter = whole_;
    const auto begin = shorter.messages.begin();
    const auto end = std::remove_if(begin + static_cast<int64_t>(turns_[0]), begin + static_cast<int64_t>(turns_[count]),
                                    [](const Message& message) { return message.role != Role::kSystem; });
    shorter.messages.erase(end, begin + static_cast<int64_t>(turns_[count]));
    return shorter;
  }

  /// Keeps as much of the start of the only question as fits, at least one character.
  RenderedChat cut_question(Conversation conversation) const {
    const auto is_question = [](const Message& message) { return message.role == Role::kUser; };
    std::string& question = std::find_if(conversation.messages.begin(), conversation.messages.end(), is_question)->content;
    const std::string text = std::exchange(question, {});
    const auto with = [&](size_t length) {
      while (length < text.size() && is_utf8_tail(text[length])) ++length;
      question = text.substr(0, length);
      return fits(conversation);
    };
    if (text.empty() || !with(1)) throw RecordError("longer than cutoff_len without its question");
    size_t low = 1, high = 2;  // bytes; low fits
    while (high < text.size() && with(high)) low = high, high *= 2;
    high = std::min(high, text.size());
    while (high - low > 1) {
      const size_t middle = low + (high - low) / 2;
      (with(middle) ? low : high) = middle;
    }
    with(low);
    return render_(conversation);
  }

  const Conversation& whole_;
  const Renderer& render_;
  size_t limit_;
  std::vector<size_t> turns_;  // messages that are questions
};

/// The rendered conversation within the limit. Throws RecordError when it is to be left out.
RenderedChat fitted(RenderedChat rendered, const Conversation& conversation, const Renderer& render,
                    const SampleOptions& options) {
  const auto limit = static_cast<size_t>(options.cutoff_len);
  if (rendered.ids.size() <= limit) return rendered;
  switch (options.truncation) {
    case Truncation::kError:
      throw DataError(fmt::format("{} tokens, wanted at most cutoff_len = {}; set truncation: skip, cut_prompt or cut_response",
                                  rendered.ids.size(), limit));
    case Truncation::kSkip: throw RecordError("longer than cutoff_len", fmt::format("{} tokens", rendered.ids.size()));
    case Truncation::kCutPrompt: return PromptCutter(conversation, render, limit).cut();
    case Truncation::kCutResponse: break;
  }
  rendered.ids.resize(limit);
  rendered.loss_mask.resize(limit);
  rendered.weights.resize(limit);
  return rendered;
}

/// Every token that is no label becomes one, but for answers that weigh 0.
void label_all(RenderedChat& rendered) {
  auto silent = rendered.silent.begin();
  for (size_t i = 0; i < rendered.ids.size(); ++i)
    if (silent != rendered.silent.end() && *silent == i) ++silent;
    else if (rendered.loss_mask[i] == kNoLabel) rendered.loss_mask[i] = kLabel, rendered.weights[i] = 1;
}

bool has_fractions(const std::vector<float>& weights) {
  return std::any_of(weights.begin(), weights.end(), [](float weight) { return weight != 0 && weight != 1; });
}

}  // namespace

Truncation truncation_of(const std::string& name) {
  const auto found = kTruncations.find(name);
  if (found == kTruncations.end())
    throw ConfigError(fmt::format("truncation: found {}, wanted one of {}", name, fmt::join(truncation_names(), ", ")));
  return found->second;
}

std::string truncation_name(Truncation truncation) {
  const auto is_it = [&](const auto& entry) { return entry.second == truncation; };
  return std::find_if(kTruncations.begin(), kTruncations.end(), is_it)->first;
}

std::vector<std::string> truncation_names() {
  std::vector<std::string> names;
  for (const auto& [name, kind] : kTruncations) names.push_back(name);
  return names;
}

uint64_t Sample::num_labels() const {
  if (loss_mask.empty()) return 0;
  return loss_mask.size() - 1 - static_cast<uint64_t>(std::count(loss_mask.begin() + 1, loss_mask.end(), kNoLabel));
}

Sample render_sample(Conversation conversation, const ChatTemplate& chat, const Tokenizer& tokenizer,
                     const SampleOptions& options) {
  Sample sample;
  try {
    if (options.mask_history) keep_last_label(conversation);
    const Renderer render{chat, tokenizer};
    RenderedChat rendered = render(conversation);
    sample.rendered = rendered.ids.size();
    rendered = fitted(std::move(rendered), conversation, render, options);
    if (options.train_on_prompt) label_all(rendered);
    sample.ids = std::move(rendered.ids);
    sample.loss_mask = std::move(rendered.loss_mask);
    if (has_fractions(rendered.weights)) sample.weights = std::move(rendered.weights);
    if (sample.num_labels() == 0)
      throw RecordError(sample.cut() > 0 ? "no label is left within cutoff_len" : "not one token is a label");
  } catch (const RecordError& error) {
    sample.ids.clear(), sample.loss_mask.clear(), sample.weights.clear();
    sample.reason = error.what(), sample.detail = error.detail;
  }
  return sample;
}

}  // namespace ingot::data
