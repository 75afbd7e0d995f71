#include "data/sft/map_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/problems.h"

namespace ingot::data {
namespace {

const std::vector<std::string> kAlpacaKeys{"prompt", "query", "response", "history"};
const std::vector<std::string> kMessageKeys{"messages",          "tags.role_tag",      "tags.content_tag",
                                            "tags.user_tag",     "tags.assistant_tag", "tags.system_tag",
                                            "tags.observation_tag", "tags.function_tag"};
const std::vector<std::string> kSharedKeys{"system", "tools"};

bool any_given(const MapKeys::Names& given, const std::vector<std::string>& keys) {
  return std::any_of(keys.begin(), keys.end(), [&](const auto& key) { return given.contains(key); });
}

}  // namespace

MapKeys::MapKeys(Names given) : given_(std::move(given)) {
  std::vector<std::string> known = kAlpacaKeys;
  known.insert(known.end(), kMessageKeys.begin(), kMessageKeys.end());
  known.insert(known.end(), kSharedKeys.begin(), kSharedKeys.end());
  Problems problems;
  for (const auto& [key, name] : given_) {
    const bool is_known = std::find(known.begin(), known.end(), key) != known.end();
    const std::string near = nearest_word(key, known);
    if (!is_known)
      problems.add(fmt::format("unknown key {}{}", key, near.empty() ? fmt::format(", wanted one of {}", fmt::join(known, ", "))
                                                                     : fmt::format(", did you mean {}?", near)));
    else if (name.empty()) problems.add(fmt::format("{}: found no name", key));
  }
  if (names_alpaca() && names_messages())
    problems.add("found columns of single prompts and of lists of messages, wanted those of one kind");
  problems.throw_if_any("map_keys");
}

std::string MapKeys::name(const std::string& key, const std::string& usual) const {
  const auto found = given_.find(key);
  return found == given_.end() ? usual : found->second;
}

bool MapKeys::names_alpaca() const { return any_given(given_, kAlpacaKeys); }
bool MapKeys::names_messages() const { return any_given(given_, kMessageKeys); }

}  // namespace ingot::data
