#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace ingot::checkpoint {

/// Reads little-endian values one after another from the bytes of a file, never past their end.
class ByteCursor {
 public:
  ByteCursor(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}
  uint64_t position() const { return position_; }

  template <class T>
  T take() {
    need(sizeof(T), "a value");
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  void skip(uint64_t length) { take_view(length, "a field"); }

  /// The next `length` bytes, where they lie.
  std::string_view take_view(uint64_t length, const char* what);

  /// The bytes up to `end`, which is passed over; refused when it is not among the next `longest` + 1 bytes.
  std::string_view take_until(char end, uint64_t longest, const char* what);

  /// A 64-bit length and as many bytes.
  std::string take_string();

  /// A count of things that take at least `bytes_each`; refused when the file has no room for them.
  uint64_t take_count(uint64_t bytes_each, const char* what);

  /// Throws DataError naming the file, the place and the problem.
  [[noreturn]] void fail(const std::string& problem) const;

 private:
  void need(uint64_t size, const char* what) const;
  std::span<const std::byte> bytes_;
  const std::string& file_;
  uint64_t position_ = 0;
};

}  // namespace ingot::checkpoint
