#include "ops/simd.h"

namespace ingot::ops {

VectorLevel vector_level() {
#ifdef __x86_64__
  static const VectorLevel level = [] {
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return avx2 && avx512 ? VectorLevel::kAvx512 : avx2 ? VectorLevel::kAvx2 : VectorLevel::kBaseline;
  }();
  return level;
#else
  return VectorLevel::kBaseline;
#endif
}

}  // namespace ingot::ops
