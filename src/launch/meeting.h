#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "launch/message.h"
#include "launch/socket.h"

namespace ingot::launch {

using MeetingClock = std::chrono::steady_clock;

/// How a desk speaks to those who came.
class Guests {
 public:
  virtual ~Guests() = default;
  virtual void send(int guest, const Message& message) = 0;
  virtual std::string address_of(int guest) const = 0;
  /// "; refused: 10.0.0.7: without the token of this job": of those who came to the door and were not let in; nothing where there were none.
  virtual std::string refusals() const = 0;
};

/// What becomes of what guests say. Guests have proven that they belong to the job; each has a number that is not used again. All calls come from one thread.
class Desk {
 public:
  virtual ~Desk() = default;
  virtual void handle(Guests& guests, int guest, const Message& message) = 0;
  virtual void gone(Guests& guests, int guest) = 0;
  /// Some times a second.
  virtual void look(Guests& guests, MeetingClock::time_point now) = 0;
};

/// Where the programs of a job find each other: a thread that lets in who knows the token (proof.h) and hands what they say to a desk. Strangers
/// are refused with a line; they can neither block the others (the oldest of many that prove nothing is sent away) nor be heard.
class Meeting {
 public:
  Meeting(Socket listener, std::string token, std::unique_ptr<Desk> desk);
  ~Meeting();  // says what is still to be said, for 2 s at most
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;
  uint16_t port() const { return port_; }

 private:
  class Hall;
  uint16_t port_;
  std::unique_ptr<Hall> hall_;
  std::thread thread_;
};

}  // namespace ingot::launch
