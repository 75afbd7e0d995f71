#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "launch/message.h"
#include "launch/socket.h"

namespace ingot::launch {

/// Where a meeting is (meeting.h), and how long it is knocked at its door.
struct Door {
  std::string host;
  uint16_t port = 0;
  std::string token;
  std::chrono::seconds patience{600};  // for a host whose name has no address yet, as a pod's has not at first, or that does not listen yet
};

/// The first that is not there yet may come. Says why it waits, once for each reason, and ends with kExitTerminated when asked to stop.
/// Throws CommError when nobody opened in time, naming the last reason, and when it was refused.
class MeetingClient {
 public:
  explicit MeetingClient(const Door& door);
  /// May be called by several threads. What cannot be sent is lost: the next receive() says so.
  void send(const Message& message);
  /// The next message, waited for so long; nothing when there was none. Throws CommError when the other side is gone.
  std::optional<Message> receive(std::chrono::milliseconds timeout);
  int descriptor() const { return socket_.descriptor(); }

 private:
  Socket socket_;
  std::string place_;  // "host:port"
  Inbox inbox_;
  std::mutex sending_;
};

}  // namespace ingot::launch
