#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ingot {

/// One line for standard error that a signal handler may make: "error: " and what is added, without memory from the heap. What
/// does not fit is left out.
class SignalLine {
 public:
  SignalLine() { add("error: "); }
  SignalLine& add(std::string_view text);
  SignalLine& add(int64_t number);
  /// Writes the line with its end.
  void write();

 private:
  static constexpr size_t kRoom = 4096;
  char text_[kRoom];
  size_t size_ = 0;
};

}  // namespace ingot
