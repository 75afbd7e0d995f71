#pragma once

#include <filesystem>

namespace ingot {

/// False where nothing is, also behind a link. Throws ConfigError or CommError naming the path and the reason when the system does not
/// tell: a loop of links, no right to look, a name too long.
bool is_there(const std::filesystem::path& path);

}  // namespace ingot
