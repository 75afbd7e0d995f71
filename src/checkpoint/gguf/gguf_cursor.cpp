#include "checkpoint/gguf/gguf_cursor.h"

#include <fmt/format.h>

#include "core/error.h"

namespace ingot::checkpoint {

std::string GgufCursor::take_string() {
  const auto length = take<uint64_t>();
  need(length, "a string");
  std::string text(reinterpret_cast<const char*>(bytes_.data()) + position_, length);
  position_ += length;
  return text;
}

uint64_t GgufCursor::take_count(uint64_t bytes_each, const char* what) {
  const auto count = take<uint64_t>();
  const uint64_t room = (bytes_.size() - position_) / bytes_each;
  if (count > room) fail(fmt::format("{} {}, but the file has room for {} at most", count, what, room));
  return count;
}

void GgufCursor::fail(const std::string& problem) const {
  throw DataError(fmt::format("{}: at byte {}: {}", file_, position_, problem));
}

void GgufCursor::need(uint64_t size, const char* what) const {
  if (size > bytes_.size() - position_)
    fail(fmt::format("{} of {} bytes, but {} bytes are left", what, size, bytes_.size() - position_));
}

}  // namespace ingot::checkpoint
