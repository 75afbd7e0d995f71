#include "data/sft/format_advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

#include "core/words.h"
#include "data/sft/record_json.h"

namespace ingot::data {
namespace {

constexpr size_t kKeysShown = 8;
using Words = std::vector<std::string_view>;

const Words kQuestions{"question", "prompt", "instruct", "instruction", "query", "problem", "input", "user", "human"};
const Words kAnswers{"answer", "response", "output", "completion", "solution", "reply", "target", "assistant"};

std::string shown(const std::string& key) { return key.substr(0, 40); }

/// Columns of text with such a name: those called so, else those whose name ends so and is not of what was expected.
std::vector<std::string> keys_like(const JsonValue& record, const Words& words) {
  std::vector<std::string> exact, ending;
  for (size_t i = 0; i < record.keys.size(); ++i) {
    if (!record.items[i].is_text()) continue;
    const std::string name = lower_case(record.keys[i]);
    const auto ends = [&](std::string_view word) { return name.ends_with(word); };
    if (std::find(words.begin(), words.end(), name) != words.end()) exact.push_back(shown(record.keys[i]));
    else if (std::any_of(words.begin(), words.end(), ends) && !name.starts_with("expected_")) ending.push_back(shown(record.keys[i]));
  }
  return exact.empty() ? ending : exact;
}

bool has_list(const JsonValue& record, const char* name) {
  const JsonValue* found = find_member(record, name);
  return found && found->is_list() && !found->items.empty();
}

bool has_text(const JsonValue& record, const char* name) {
  const JsonValue* found = find_member(record, name);
  return found && found->is_text();
}

std::string advice(const JsonValue& record) {
  if (has_list(record, "tools") || has_list(record, "functions")) return "; calls of tools are trained in a list of messages, as tool_calls";
  if (has_list(record, "segments")) return "; segments of a text are written as a list of messages, weight: 0 for what is not trained";
  for (const char* name : {"chat", "plain_text"})
    if (has_text(record, name)) return fmt::format("; {} is a whole talk in one text, wanted a list of messages", name);
  const auto questions = keys_like(record, kQuestions), answers = keys_like(record, kAnswers);
  if (questions.size() == 1 && answers.size() == 1) return fmt::format("; perhaps map_keys: {{prompt: {}, response: {}}}", questions[0], answers[0]);
  if (!questions.empty() && !answers.empty())
    return fmt::format("; map_keys can name the prompt ({}) and the response ({})", fmt::join(questions, " or "), fmt::join(answers, " or "));
  return has_text(record, "text") ? "; stage pt trains on text alone" : "";
}

}  // namespace

std::string format_advice(const JsonValue& record) {
  std::vector<std::string> keys;
  for (const auto& key : record.keys)
    if (keys.size() < kKeysShown) keys.push_back(shown(key));
  return fmt::format("keys {}", fmt::join(keys, ", ")) + advice(record);
}

}  // namespace ingot::data
