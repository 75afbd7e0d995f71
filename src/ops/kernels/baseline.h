#pragma once

#include "core/cpu.h"

namespace ingot::ops::table {

/// What the compiler targets anyway.
struct Baseline {
  static constexpr Isa kIsa = Isa::kBaseline;
  template <class Kernel>
  static void loop(const Kernel& kernel, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) kernel(i);
  }
};

}  // namespace ingot::ops::table
