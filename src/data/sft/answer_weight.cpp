#include "data/sft/answer_weight.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <optional>

#include "core/words.h"
#include "data/sft/record_error.h"
#include "data/sft/record_json.h"

namespace ingot::data {
namespace {

/// OpenAI's weight, ms-swift's loss and loss_scale, LLaMA-Factory's loss_weight, Axolotl's train and training.
const std::vector<std::string> kWeights{"weight", "loss", "loss_weight", "loss_scale", "train", "training", "trainable"};

/// The opposite, true or false: torchtune's masked.
const std::vector<std::string> kMasks{"mask", "masked"};

/// Axolotl's list of the parts of a message that are trained and that are not.
constexpr const char* kParts = "train_detail";

double weight_of_mask(const std::string& name, const JsonValue& value) {
  if (value.kind != JsonValue::Kind::kBool)
    throw RecordError(fmt::format("a message's {} is not true or false; ignore_fields: [{}] trains without it", name, name), value.text);
  return value.text == "true" ? 0 : 1;
}

/// Parts with a weight of their own have no place in a sample.
void refuse_parts(const JsonValue& message, double weight) {
  for (const JsonValue& part : optional_list(message, kParts))
    if (const JsonValue* train = find_member(part, "train"); train && weight_of(*train) != weight)
      throw RecordError(fmt::format("{} trains only parts of an answer; ignore_fields: [{}] trains it as a whole", kParts, kParts));
}

/// What a column says as a weight, also as a cell of a table spells it; nothing for a text that is none.
std::optional<double> weight_in_column(const std::string& name, const JsonValue& value) {
  const std::string text = lower_case(value.text);
  const bool may_be = value.kind == JsonValue::Kind::kBool || value.is_text();
  const bool is_mask = is_one_of(name, kMasks);
  if (may_be && (text == "true" || text == "false")) return (text == "true") != is_mask ? 1 : 0;
  if (is_mask || is_blank_cell(text) || value.is_list() || value.is_object()) return std::nullopt;
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  return *end == '\0' ? std::optional(number) : std::nullopt;
}

}  // namespace

const std::vector<std::string>& weight_fields() {
  static const std::vector<std::string> fields = [] {
    std::vector<std::string> all = kWeights;
    all.insert(all.end(), kMasks.begin(), kMasks.end());
    all.push_back(kParts);
    return all;
  }();
  return fields;
}

double weight_of(const JsonValue& value) {
  if (value.kind == JsonValue::Kind::kBool) return value.text == "true" ? 1 : 0;
  const double weight = value.kind == JsonValue::Kind::kNumber ? std::strtod(value.text.c_str(), nullptr) : -1;
  if (!(weight >= 0 && weight <= 1)) throw RecordError("a message's weight is no number from 0 to 1", value.text);
  return weight;
}

double weight_in(const JsonValue& message, Role role) {
  std::optional<double> weight;
  const auto add = [&](double found) {
    if (weight && *weight != found) throw RecordError("a message has two weights that differ");
    weight = found;
  };
  for (const auto& name : kWeights)
    if (const JsonValue* value = find_member(message, name)) add(weight_of(*value));
  for (const auto& name : kMasks)
    if (const JsonValue* value = find_member(message, name)) add(weight_of_mask(name, *value));
  if (role == Role::kAssistant) refuse_parts(message, weight.value_or(1));
  return weight.value_or(1);
}

void refuse_weights_beside(const JsonValue& record) {
  for (const auto* names : {&kWeights, &kMasks})
    for (const auto& name : *names) {
      const JsonValue* value = find_member(record, name);
      const auto weight = value ? weight_in_column(name, *value) : std::nullopt;
      if (weight && *weight != 1)
        throw RecordError(fmt::format("{} beside the talk says that the answers do not count whole; ignore_fields: [{}] trains them whole", name, name));
    }
}

}  // namespace ingot::data
