#pragma once

#include <filesystem>

namespace ingot {

/// The absolute path behind links, without a slash at its end; what does not exist yet is taken as it is written.
std::filesystem::path plain_path(const std::filesystem::path& path);

/// True for a path in the folder, at any depth, and for the folder itself, links followed. False where the system does not tell.
bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder);

/// True for a link whose end is not there.
bool is_link_to_nothing(const std::filesystem::path& path);

}  // namespace ingot
