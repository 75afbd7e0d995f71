#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "data/files/byte_source.h"

namespace ingot::data {

/// Bytes at the start of a text that tell how it is encoded.
inline constexpr size_t kEncodingBytes = 4;

/// Whether a text that starts so is UTF-16 or UTF-32.
bool is_wide(std::string_view start);

/// The source as UTF-8: UTF-16 and UTF-32 are told by their byte order mark, or by the zero bytes of a first character
/// that is ASCII. Half a surrogate pair comes out as bytes that are not UTF-8, so that its record is found unsound.
std::unique_ptr<ByteSource> as_utf8(std::unique_ptr<ByteSource> source);

}  // namespace ingot::data
