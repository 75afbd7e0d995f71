#include "config/yaml_value.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "core/json.h"

namespace ingot::config {

std::optional<int64_t> whole_number(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

bool is_number(const std::string& text) {
  double value = 0;
  const auto end = text.data() + text.size();
  return !text.empty() && std::from_chars(text.data(), end, value).ptr == end;
}

std::string yaml_value(const std::string& text) {
  const bool is_plain = is_number(text) || text == "true" || text == "false" || (text.starts_with('[') && text.ends_with(']') && std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < ' '; }));
  return is_plain ? text : json_text(Json(text));
}

}  // namespace ingot::config
