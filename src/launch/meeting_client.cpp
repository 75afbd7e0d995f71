#include "launch/meeting_client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"
#include "launch/proof.h"

namespace ingot::launch {
namespace {

using ClientClock = std::chrono::steady_clock;
constexpr size_t kMostBytes = size_t{16} << 20;
constexpr std::chrono::seconds kForAnswer{10};
constexpr std::chrono::milliseconds kBetweenKnocks{300};


Socket knock(const Door& door) {
  const auto end = ClientClock::now() + door.patience;
  for (std::string said;;) {
    try {
      return connect_to(door.host, door.port, kForAnswer);
    } catch (const CommError& error) {
      if (ClientClock::now() >= end) throw CommError(fmt::format("{}; tried for {} s", error.what(), door.patience.count()));
      if (std::exchange(said, error.what()) != error.what()) log_info(fmt::format("{}; trying again for {} s", error.what(), door.patience.count()));
    }
    end_if_stopped("waiting for the others, nothing is lost");
    std::this_thread::sleep_for(kBetweenKnocks);
  }
}

}  // namespace

MeetingClient::MeetingClient(const Door& door) : socket_(knock(door)), place_(fmt::format("{}:{}", door.host, door.port)), inbox_(kMostBytes) {
  const auto asked = receive(kForAnswer);
  if (!asked || asked->size() != 2 || (*asked)[0] != kProtocol)
    throw CommError(fmt::format("{}: found {}, wanted {}: another program, or another version of this one", place_,
                                asked && !asked->empty() ? asked->front() : "no answer", kProtocol));
  const auto nonce = random_secret(), version = program_version();
  send({"hello", version, nonce, guest_proof(door.token, (*asked)[1], nonce, version)});
  const auto answer = receive(kForAnswer);
  if (answer && answer->size() == 2 && (*answer)[0] == "refused") throw CommError(fmt::format("{}: refused: {}", place_, (*answer)[1]));
  if (!answer || answer->size() != 2 || !is_same_proof((*answer)[1], host_proof(door.token, (*asked)[1], nonce)))
    throw CommError(fmt::format("{}: it has not proven that it belongs to this job", place_));
}

void MeetingClient::send(const Message& message) {
  const std::lock_guard lock(sending_);
  const std::string bytes = pack(message);
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = ::send(socket_.descriptor(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count > 0) sent += static_cast<size_t>(count);
    pollfd polled{socket_.descriptor(), POLLOUT, 0};
    if (count < 0 && (errno != EAGAIN || ::poll(&polled, 1, static_cast<int>(kForAnswer.count()) * 1000) <= 0)) return;
  }
}

std::optional<Message> MeetingClient::receive(std::chrono::milliseconds timeout) {
  const auto end = ClientClock::now() + timeout;
  for (;;) {
    if (auto message = inbox_.take()) return message;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - ClientClock::now()).count();
    pollfd polled{socket_.descriptor(), POLLIN, 0};
    if (::poll(&polled, 1, static_cast<int>(std::max<int64_t>(0, left))) == 0) return {};
    char buffer[65536];
    const ssize_t count = ::recv(socket_.descriptor(), buffer, sizeof(buffer), 0);
    if (count > 0) inbox_.add({buffer, static_cast<size_t>(count)});
    if (count == 0) throw CommError(fmt::format("{}: the other side has closed the connection", place_));
    if (count < 0 && errno != EAGAIN && errno != EINTR) throw CommError(fmt::format("{}: {}", place_, std::strerror(errno)));
  }
}

}  // namespace ingot::launch
