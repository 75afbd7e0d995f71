#include "core/cpu.h"

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace ingot {

bool cpu_has_bf16_dot_products() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bf16");
#elif defined(__aarch64__)
  constexpr unsigned long kHwcap2Bf16 = 1ul << 14;  // HWCAP2_BF16 in Linux's asm/hwcap.h
  return (getauxval(AT_HWCAP2) & kHwcap2Bf16) != 0;
#else
  return false;
#endif
}

}  // namespace ingot
