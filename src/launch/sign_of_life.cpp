#include "launch/sign_of_life.h"

#include <unistd.h>

#include <charconv>
#include <chrono>
#include <string>

#include "launch/rank_variables.h"

namespace ingot::launch {

SignsOfLife::SignsOfLife() {
  const auto text = process_environment()(kLifeVariable).value_or("");
  int descriptor = -1;
  if (std::from_chars(text.data(), text.data() + text.size(), descriptor).ec == std::errc()) thread_ = std::thread([this, descriptor] { give(descriptor); });
}

SignsOfLife::~SignsOfLife() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ending_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void SignsOfLife::give(int descriptor) {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    if (::write(descriptor, ".", 1) != 1) return;  // nobody listens
    ending_changed_.wait_for(lock, std::chrono::seconds(1));
  }
}

}  // namespace ingot::launch
