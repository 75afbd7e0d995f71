#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "data/files/byte_source.h"
#include "data/files/byte_window.h"
#include "data/files/file_part.h"

namespace ingot::data {

/// Where the first line begins at or behind `at`; the end of the bytes when none does. A line ends in LF, CR LF or CR.
uint64_t line_start(std::string_view bytes, uint64_t at);

/// The lines of a plain file that begin in the part, each whole. Throws DataError naming a file that cannot be read.
std::unique_ptr<ByteSource> open_lines(const FilePart& part);
ByteWindow open_line_window(const FilePart& part);

}  // namespace ingot::data
