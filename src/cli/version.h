#pragma once

#include <string>

namespace ingot::cli {

/// The program's version and that of every linked part, a line each.
std::string version_text();

}  // namespace ingot::cli
