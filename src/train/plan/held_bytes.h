#pragma once

#include <algorithm>
#include <cstdint>

namespace ingot::train {

/// Bytes that are held at a moment of a step, of gradients by themselves; and how both stood when their sum was largest.
class HeldBytes {
 public:
  void take(int64_t bytes) { others_ += bytes, note(); }
  void drop(int64_t bytes) { others_ -= bytes; }
  void take_gradient(int64_t bytes) { gradients_ += bytes, note(); }
  void drop_gradient(int64_t bytes) { gradients_ -= bytes; }
  /// What is held for a moment and gone.
  void touch(int64_t bytes) { take(bytes), drop(bytes); }

  int64_t now() const { return others_ + gradients_; }
  int64_t peak() const { return peak_gradients_ + peak_others_; }
  int64_t peak_gradients() const { return peak_gradients_; }
  int64_t peak_others() const { return peak_others_; }
  int64_t most_others() const { return most_others_; }  // at any moment, whatever the gradients

 private:
  void note() {
    most_others_ = std::max(most_others_, others_);
    if (now() > peak()) peak_gradients_ = gradients_, peak_others_ = others_;
  }
  int64_t others_ = 0, gradients_ = 0, peak_others_ = 0, peak_gradients_ = 0, most_others_ = 0;
};

}  // namespace ingot::train
