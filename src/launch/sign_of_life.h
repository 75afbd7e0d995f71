#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace ingot::launch {

/// While one lives, a rank that ingot launch has started tells it every second that it runs. A process that is stopped, or that its machine has
/// no time for, does not; one that waits for another rank does.
class SignsOfLife {
 public:
  SignsOfLife();
  ~SignsOfLife();
  SignsOfLife(const SignsOfLife&) = delete;
  SignsOfLife& operator=(const SignsOfLife&) = delete;

 private:
  void give(int descriptor);
  std::mutex mutex_;
  std::condition_variable ending_changed_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace ingot::launch
