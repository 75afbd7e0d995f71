#pragma once

#include <cstdint>
#include <string>

namespace ingot {

/// Bytes of "64GiB", "64G", "1.5 TiB", "500MB" or "1024": with "i" or a letter alone by 1024, with "B" behind the letter by 1000.
/// Throws ConfigError naming `field` for another text, and for what is below 1 or does not fit.
int64_t parse_bytes(const std::string& text, const std::string& field);

}  // namespace ingot
