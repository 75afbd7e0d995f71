#pragma once

namespace ingot {

/// True when this CPU multiplies bf16 matrices in hardware (AVX-512 BF16, AMX, or Arm BF16); else bf16 would be emulated.
bool cpu_has_bf16_dot_products();

}  // namespace ingot
