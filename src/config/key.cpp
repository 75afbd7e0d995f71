#include "config/key.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace ingot::config {

bool Range::holds(double value) const {
  return (above ? value > least : value >= least) && (below ? value < most : value <= most);
}

bool Range::holds(const std::string& value) const {
  return choices.empty() || std::find(choices.begin(), choices.end(), value) != choices.end();
}

std::string Range::text() const {
  if (!choices.empty()) return fmt::format("one of {}", fmt::join(choices, ", "));
  const std::string from = above ? fmt::format("more than {}", least) : fmt::format("{} or more", least);
  if (std::isinf(most)) return from;
  return below ? fmt::format("{} and below {}", from, most) : fmt::format("{} to {}", least, most);
}

Range at_least(double least) { return {.least = least}; }
Range more_than(double least) { return {.least = least, .above = true}; }
Range between(double least, double most) { return {.least = least, .most = most}; }
Range share_below_1() { return {.least = 0, .most = 1, .below = true}; }
Range one_of(std::vector<std::string> choices) { return {.choices = std::move(choices)}; }

const std::vector<SectionKeys>& key_table() {
  static const std::vector<SectionKeys> table{{"model", model_keys()},           {"lora", lora_keys()},   {"data", data_keys()},
                                              {"conversations", conversation_keys()}, {"steps", step_keys()}, {"optimizer", optimizer_keys()},
                                              {"output", output_keys()}};
  return table;
}

const Key* find_key(std::string_view name_or_alias) {
  for (const auto& section : key_table())
    for (const auto& key : section.keys)
      if (key.name == name_or_alias || std::find(key.aliases.begin(), key.aliases.end(), name_or_alias) != key.aliases.end()) return &key;
  return nullptr;
}

}  // namespace ingot::config
