#include "core/byte_count.h"

#include <fmt/format.h>

#include <cctype>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "core/error.h"

namespace ingot {

int64_t parse_bytes(const std::string& text, const std::string& field) {
  const auto refuse = [&] { return ConfigError(fmt::format("{}: found {}, wanted a number of bytes such as 64GiB", field, text)); };
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  std::string unit;
  for (; *end != '\0'; ++end)
    if (*end != ' ') unit += static_cast<char>(std::tolower(static_cast<unsigned char>(*end)));
  double factor = 1;
  if (!unit.empty() && unit != "b") {
    const size_t power = std::string_view("kmgtp").find(unit[0]);
    const std::string rest = unit.substr(1);
    if (power == std::string_view::npos || (rest != "" && rest != "i" && rest != "ib" && rest != "b")) throw refuse();
    factor = std::pow(rest == "b" ? 1000.0 : 1024.0, static_cast<double>(power + 1));
  }
  const double bytes = number * factor;
  if (end == text.c_str() || !(bytes >= 1 && bytes < 0x1p62)) throw refuse();
  return static_cast<int64_t>(bytes);
}

}  // namespace ingot
