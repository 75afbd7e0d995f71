#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace ingot {

/// Sets of instructions that kernels are compiled for or that libraries choose from; on x86-64 each holds those before it.
enum class Isa { kBaseline, kAvx2, kAvx512, kAvx512Bf16, kAvx512Amx };
inline constexpr size_t kNumIsas = 5;

/// As INGOT_ISA spells it: "baseline", "avx2", "avx512", "avx512_bf16", "avx512_amx".
std::string_view name_of(Isa isa);

/// The sets that this CPU has, smallest first; kBaseline alone where it is not x86-64.
const std::vector<Isa>& available_isas();

/// The set in use: what the environment variable INGOT_ISA names, or the largest one. Throws ConfigError for a name that is none, and
/// for a set that this CPU lacks.
Isa isa();

/// Uses another set while it lives, which the CPU must have; for comparisons in one process. ATen, oneDNN and MKL keep theirs.
class IsaScope {
 public:
  explicit IsaScope(Isa isa);
  ~IsaScope();
  IsaScope(const IsaScope&) = delete;
  IsaScope& operator=(const IsaScope&) = delete;

 private:
  Isa before_;
};

/// Holds ATen, oneDNN and MKL, which look at the CPU themselves, to isa() where INGOT_ISA names it; to be called before the first use
/// of them. Their own variables stay as they are where they are set.
void hold_libraries_to_isa();

/// True when bf16 matrices are multiplied in hardware (AVX-512 BF16, AMX, or Arm BF16); else bf16 would be emulated.
bool has_bf16_dot_products();

}  // namespace ingot
