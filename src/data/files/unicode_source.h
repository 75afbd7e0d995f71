#pragma once

#include <memory>

#include "data/files/byte_source.h"

namespace ingot::data {

/// The source as UTF-8: UTF-16 and UTF-32 are told by their byte order mark, or by the zero bytes of a first character
/// that is ASCII. Half a surrogate pair comes out as bytes that are not UTF-8, so that its record is found unsound.
std::unique_ptr<ByteSource> as_utf8(std::unique_ptr<ByteSource> source);

}  // namespace ingot::data
