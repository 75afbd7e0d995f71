#include "core/signal_line.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace ingot {

SignalLine& SignalLine::add(std::string_view text) {
  const size_t fits = std::min(text.size(), kRoom - 1 - size_);  // one byte is the line end's
  std::copy_n(text.data(), fits, text_ + size_);
  size_ += fits;
  return *this;
}

SignalLine& SignalLine::add(int64_t number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  return add(std::string_view(digits, static_cast<size_t>(end - digits)));
}

void SignalLine::write() {
  text_[size_++] = '\n';
  for (size_t done = 0; done < size_;) {
    const ssize_t written = ::write(STDERR_FILENO, text_ + done, size_ - done);
    if (written <= 0) return;
    done += static_cast<size_t>(written);
  }
}

}  // namespace ingot
