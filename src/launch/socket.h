#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

namespace ingot::launch {

/// An open socket.
class Socket {
 public:
  explicit Socket(int descriptor = -1) : descriptor_(descriptor) {}
  ~Socket();
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

/// Listens at the address of the host's name alone, and no other of the machine; port 0: one that is free. Where that address is not the
/// machine's own, as a service's is not, it listens at all of them, with a line that says so. Throws CommError naming host and port.
Socket listen_at(const std::string& host, uint16_t port);

/// Throws CommError with the system's reason, "node-0: Name or service not known", "node-0:29500: Connection refused", when it takes
/// longer than `timeout`, too.
Socket connect_to(const std::string& host, uint16_t port, std::chrono::milliseconds timeout);

/// The port of this side, and the address of the other.
uint16_t own_port(const Socket& socket);
std::string peer_address(const Socket& socket);

/// This machine's address on the way to `host`: on it the others can reach this process. No packet is sent. Throws CommError.
std::string address_towards(const std::string& host, uint16_t port);

}  // namespace ingot::launch
