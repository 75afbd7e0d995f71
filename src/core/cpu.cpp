#include "core/cpu.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>

#include "core/error.h"
#include "core/printable.h"

#if defined(__aarch64__)
#include <sys/auxv.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

namespace ingot {
namespace {

constexpr const char* kVariable = "INGOT_ISA";

/// A set's name with us and with those who choose for themselves.
struct Names {
  Isa isa;
  std::string_view name;
  const char *aten, *onednn, *mkl;
};

constexpr Names kIsaNames[] = {{Isa::kBaseline, "baseline", "default", "SSE41", "SSE4_2"},
                            {Isa::kAvx2, "avx2", "avx2", "AVX2", "AVX2"},
                            {Isa::kAvx512, "avx512", "avx512", "AVX512_CORE", "AVX512"},
                            {Isa::kAvx512Bf16, "avx512_bf16", "avx512", "AVX512_CORE_BF16", "AVX512_E3"},
                            {Isa::kAvx512Amx, "avx512_amx", "avx512", "AVX512_CORE_AMX", "AVX512_E4"}};

const Names& names_of(Isa isa) { return kIsaNames[static_cast<size_t>(isa)]; }

#if defined(__x86_64__)
/// AMX's tiles and bf16 products, which not every compiler's own test knows: CPUID leaf 7.
bool has_amx() {
  constexpr unsigned kBf16 = 1u << 22, kTiles = 1u << 24;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kBf16) != 0 && (d & kTiles) != 0;
}
#endif

std::vector<Isa> find_isas() {
  std::vector<Isa> found{Isa::kBaseline};
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool levels[] = {
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"),
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
          __builtin_cpu_supports("avx512vl"),
      __builtin_cpu_supports("avx512bf16") != 0,
      has_amx()};
  for (size_t i = 0; i < std::size(levels) && levels[i]; ++i) found.push_back(kIsaNames[i + 1].isa);
#endif
  return found;
}

std::string shown(const std::vector<Isa>& isas) {
  std::vector<std::string_view> names;
  for (const Isa isa : isas) names.push_back(name_of(isa));
  return fmt::format("{}", fmt::join(names, ", "));
}

Isa chosen() {
  const char* given = std::getenv(kVariable);
  const auto& available = available_isas();
  if (given == nullptr || *given == '\0') return available.back();
  for (const auto& names : kIsaNames)
    if (names.name == given) {
      if (std::find(available.begin(), available.end(), names.isa) != available.end()) return names.isa;
      throw ConfigError(fmt::format("{}: found {}, which this CPU lacks; wanted one of {}", kVariable, given, shown(available)));
    }
  throw ConfigError(fmt::format("{}: found {}, wanted one of avx512_amx, avx512_bf16, avx512, avx2, baseline; this CPU has {}", kVariable,
                                in_quotes(given), shown(available)));
}

std::atomic<Isa>& current() {
  static std::atomic<Isa> isa = chosen();
  return isa;
}

}  // namespace

std::string_view name_of(Isa isa) { return names_of(isa).name; }

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> found = find_isas();
  return found;
}

Isa isa() { return current().load(std::memory_order_relaxed); }

IsaScope::IsaScope(Isa isa) : before_(current().exchange(isa)) {}
IsaScope::~IsaScope() { current() = before_; }

void hold_libraries_to_isa() {
  if (isa() == available_isas().back()) return;
  ::setenv("ATEN_CPU_CAPABILITY", names_of(isa()).aten, /*overwrite=*/0);
  ::setenv("ONEDNN_MAX_CPU_ISA", names_of(isa()).onednn, 0);
  ::setenv("MKL_ENABLE_INSTRUCTIONS", names_of(isa()).mkl, 0);
}

bool has_bf16_dot_products() {
#if defined(__aarch64__)
  constexpr unsigned long kHwcap2Bf16 = 1ul << 14;  // HWCAP2_BF16 in Linux's asm/hwcap.h
  return (getauxval(AT_HWCAP2) & kHwcap2Bf16) != 0;
#else
  return isa() >= Isa::kAvx512Bf16;
#endif
}

}  // namespace ingot
