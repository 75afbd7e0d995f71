#include "core/printable.h"

#include "core/json.h"

namespace ingot {

std::string printable(std::string_view text, size_t longest) {
  const std::string escaped = json_text(text.substr(0, longest));
  return escaped.substr(1, escaped.size() - 2) + (text.size() > longest ? "..." : "");
}

std::string in_quotes(std::string_view text) { return '"' + printable(text, 80) + '"'; }

}  // namespace ingot
