#pragma once

#include "core/cpu.h"

#ifdef __x86_64__
namespace ingot::ops::table {

/// See avx2.h.
struct Avx512 {
  static constexpr Isa kIsa = Isa::kAvx512;
  template <class Kernel>
  __attribute__((flatten, target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")))
  static void loop(const Kernel& kernel, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) kernel(i);
  }
};

}  // namespace ingot::ops::table
#endif
