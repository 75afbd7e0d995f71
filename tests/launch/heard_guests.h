#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "launch/meeting.h"

namespace ingot::launch {

/// Guests of a desk without sockets: what they were told.
struct HeardGuests : Guests {
  void send(int guest, const Message& message) override { heard[guest].push_back(message); }
  std::string address_of(int guest) const override { return "10.0.0." + std::to_string(guest); }
  std::string refusals() const override { return refused; }
  /// What a guest was told since it was last asked.
  std::vector<Message> take(int guest) { return std::exchange(heard[guest], {}); }
  std::map<int, std::vector<Message>> heard;
  std::string refused;
};

using Said = std::vector<Message>;

}  // namespace ingot::launch
