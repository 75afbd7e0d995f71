#pragma once

#include <filesystem>

namespace ingot {

/// The root of the checkout.
std::filesystem::path checkout();

/// The folder of real files beside it, which need not be there.
inline std::filesystem::path shared_folder() { return checkout() / "../shared"; }

}  // namespace ingot
