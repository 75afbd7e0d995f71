#include "core/printable.h"

#include "core/json.h"

namespace ingot {

std::string printable(std::string_view text, size_t longest) {
  const auto bad_bytes = Json::error_handler_t::replace;
  const std::string escaped = Json(std::string(text.substr(0, longest))).dump(-1, ' ', false, bad_bytes);
  return escaped.substr(1, escaped.size() - 2) + (text.size() > longest ? "..." : "");
}

std::string in_quotes(std::string_view text) { return '"' + printable(text, 80) + '"'; }

}  // namespace ingot
