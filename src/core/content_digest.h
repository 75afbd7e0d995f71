#pragma once

#include <string>

#include "core/file.h"

namespace ingot {

/// XXH3 of a file's bytes, 64 bits in hexadecimal: fast, and no protection against one who means harm. From 1 GiB on, of the
/// first, middle and last 64 MiB.
std::string content_digest(const MappedFile& file);

}  // namespace ingot
