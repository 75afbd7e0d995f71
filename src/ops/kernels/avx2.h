#pragma once

#include "core/cpu.h"

#ifdef __x86_64__
namespace ingot::ops::table {

/// `flatten` inlines all of a kernel into the function that carries the target, so its plain loops are vectorised for it.
struct Avx2 {
  static constexpr Isa kIsa = Isa::kAvx2;
  template <class Kernel>
  __attribute__((flatten, target("avx2,fma")))
  static void loop(const Kernel& kernel, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) kernel(i);
  }
};

}  // namespace ingot::ops::table
#endif
