#include "launch/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "core/error.h"
#include "core/log.h"

namespace ingot::launch {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Addresses addresses_of(const std::string& host, uint16_t port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) throw CommError(fmt::format("{}: {}", host, ::gai_strerror(error)));
  return {found, ::freeaddrinfo};
}

CommError failed_at(const std::string& host, uint16_t port, int error) { return CommError(fmt::format("{}:{}: {}", host, port, std::strerror(error))); }

Socket new_socket(const addrinfo& address, int kind) { return Socket(::socket(address.ai_family, kind | SOCK_CLOEXEC, 0)); }

std::string text_of(const sockaddr_storage& address, socklen_t size) {
  char text[NI_MAXHOST] = "";
  ::getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, text, sizeof(text), nullptr, 0, NI_NUMERICHOST);
  return text;
}

Socket listen_everywhere(const std::string& host, uint16_t port) {
  log_info(fmt::format("{}: not an address of this machine: listening at port {} of all of them", host, port));
  Socket socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1, no = 0;
  ::setsockopt(socket.descriptor(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  ::setsockopt(socket.descriptor(), IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6, any.sin6_port = htons(port), any.sin6_addr = in6addr_any;
  if (::bind(socket.descriptor(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) != 0 || ::listen(socket.descriptor(), SOMAXCONN) != 0)
    throw failed_at(host, port, errno);
  return socket;
}

/// 0, or what went wrong.
int connect_within(const Socket& socket, const addrinfo& address, std::chrono::milliseconds timeout) {
  ::fcntl(socket.descriptor(), F_SETFL, O_NONBLOCK);
  if (::connect(socket.descriptor(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) return errno;
    pollfd polled{socket.descriptor(), POLLOUT, 0};
    if (::poll(&polled, 1, static_cast<int>(timeout.count())) <= 0) return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(socket.descriptor(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return error;
  }
  const int yes = 1;
  ::setsockopt(socket.descriptor(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  return 0;
}

}  // namespace

Socket::~Socket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Socket listen_at(const std::string& host, uint16_t port) {
  const auto found = addresses_of(host, port);
  Socket socket = new_socket(*found, SOCK_STREAM);
  const int yes = 1;
  ::setsockopt(socket.descriptor(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (::bind(socket.descriptor(), found->ai_addr, found->ai_addrlen) == 0 && ::listen(socket.descriptor(), SOMAXCONN) == 0) return socket;
  if (errno == EADDRNOTAVAIL) return listen_everywhere(host, port);
  throw failed_at(host, port, errno);
}

Socket connect_to(const std::string& host, uint16_t port, std::chrono::milliseconds timeout) {
  const auto found = addresses_of(host, port);
  int error = 0;
  for (const addrinfo* address = found.get(); address != nullptr; address = address->ai_next) {
    Socket socket = new_socket(*address, SOCK_STREAM);
    if ((error = connect_within(socket, *address, timeout)) == 0) return socket;
  }
  throw failed_at(host, port, error);
}

uint16_t own_port(const Socket& socket) {
  sockaddr_storage own{};
  socklen_t size = sizeof(own);
  ::getsockname(socket.descriptor(), reinterpret_cast<sockaddr*>(&own), &size);
  return ntohs(own.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(own).sin6_port : reinterpret_cast<sockaddr_in&>(own).sin_port);
}

std::string peer_address(const Socket& socket) {
  sockaddr_storage peer{};
  socklen_t size = sizeof(peer);
  return ::getpeername(socket.descriptor(), reinterpret_cast<sockaddr*>(&peer), &size) == 0 ? text_of(peer, size) : "somebody who is gone";
}

std::string address_towards(const std::string& host, uint16_t port) {
  const auto found = addresses_of(host, port);
  sockaddr_storage own{};
  socklen_t size = sizeof(own);
  const Socket socket = new_socket(*found, SOCK_DGRAM);
  if (::connect(socket.descriptor(), found->ai_addr, found->ai_addrlen) != 0 || ::getsockname(socket.descriptor(), reinterpret_cast<sockaddr*>(&own), &size) != 0)
    throw CommError(fmt::format("{}: no way from this machine", host));
  return text_of(own, size);
}

}  // namespace ingot::launch
