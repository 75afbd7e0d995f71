#include "core/json.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/file.h"
#include "core/printable.h"

namespace ingot {
namespace {
constexpr int kDeepestJson = 64;
}

std::string json_text(const Json& value, int indent) { return value.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace); }

Json parse_json(std::string_view text, const std::string& name) {
  const auto limit_depth = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kDeepestJson) throw DataError(fmt::format("{}: JSON nested deeper than {} levels", name, kDeepestJson));
    return true;
  };
  try {
    return Json::parse(text, limit_depth);
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format("{}: not valid JSON: {}", name, printable(error.what())));
  }
}

Json read_json(const std::filesystem::path& file, size_t max_bytes) {
  return parse_json(read_file(file, max_bytes), file.string());
}

}  // namespace ingot
