#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::launch {

/// What two programs of a job say to each other over a socket: some texts, of any bytes.
using Message = std::vector<std::string>;

/// As it is sent: the number of bytes that follow, then of each text its length and its bytes; numbers are 4 bytes, little-endian.
std::string pack(const Message& message);

/// Throws CommError for a text of a message that is no number.
int64_t number_in(const std::string& text);

/// Bytes that came, as messages. They may be a stranger's: every length is checked before it is believed.
class Inbox {
 public:
  explicit Inbox(size_t most_bytes) : most_bytes_(most_bytes) {}
  /// From now on a message may have so many bytes.
  void allow(size_t most_bytes) { most_bytes_ = most_bytes; }
  void add(std::string_view bytes) { bytes_ += bytes; }
  /// The next message, where it is complete. Throws CommError when what came is none.
  std::optional<Message> take();

 private:
  size_t most_bytes_;
  std::string bytes_;
};

}  // namespace ingot::launch
