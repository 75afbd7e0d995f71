#include "checkpoint/byte_cursor.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace ingot::checkpoint {

std::string_view ByteCursor::take_view(uint64_t length, const char* what) {
  need(length, what);
  const std::string_view view(reinterpret_cast<const char*>(bytes_.data()) + position_, length);
  position_ += length;
  return view;
}

std::string_view ByteCursor::take_until(char end, uint64_t longest, const char* what) {
  const uint64_t room = std::min<uint64_t>(bytes_.size() - position_, longest + 1);
  const std::string_view ahead(reinterpret_cast<const char*>(bytes_.data()) + position_, room);
  const size_t length = ahead.find(end);
  if (length == std::string_view::npos) fail(fmt::format("{} without an end", what));
  position_ += length + 1;
  return ahead.substr(0, length);
}

std::string ByteCursor::take_string() { return std::string(take_view(take<uint64_t>(), "a string")); }

uint64_t ByteCursor::take_count(uint64_t bytes_each, const char* what) {
  const auto count = take<uint64_t>();
  const uint64_t room = (bytes_.size() - position_) / bytes_each;
  if (count > room) fail(fmt::format("{} {}, but the file has room for {} at most", count, what, room));
  return count;
}

void ByteCursor::fail(const std::string& problem) const {
  throw DataError(fmt::format("{}: at byte {}: {}", file_, position_, problem));
}

void ByteCursor::need(uint64_t size, const char* what) const {
  if (size > bytes_.size() - position_)
    fail(fmt::format("{} of {} bytes, but {} bytes are left", what, size, bytes_.size() - position_));
}

}  // namespace ingot::checkpoint
