#include "checkpoint/gguf/rope_factors.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace ingot::checkpoint {
namespace {

// rope_scaling of every Llama 3.1, 3.2 and 3.3; only the factor differs.
constexpr double kLowFrequency = 1, kHighFrequency = 4, kOriginalContext = 8192;
constexpr double kTolerance = 1e-3;

/// Divisor of the frequency of pair `i` of `pairs` in the llama3 form: 1 for short waves, `factor` for long ones,
/// between them 1 / (blend of 1/factor and 1).
double llama3_divisor(size_t i, size_t pairs, double rope_theta, double factor) {
  const double frequency = std::pow(rope_theta, -static_cast<double>(i) / static_cast<double>(pairs));
  const double turns = kOriginalContext * frequency / (2 * std::numbers::pi);  // over the original context
  if (turns > kHighFrequency) return 1;
  if (turns < kLowFrequency) return factor;
  const double smooth = (turns - kLowFrequency) / (kHighFrequency - kLowFrequency);
  return 1 / ((1 - smooth) / factor + smooth);
}

}  // namespace

Json rope_scaling_of_factors(std::span<const float> factors, double rope_theta) {
  const double factor = factors.empty() ? 1 : *std::max_element(factors.begin(), factors.end());
  if (std::all_of(factors.begin(), factors.end(), [](float value) { return value == 1; })) return nullptr;
  for (size_t i = 0; i < factors.size(); ++i) {
    const double wanted = llama3_divisor(i, factors.size(), rope_theta, factor);
    if (!(std::abs(factors[i] - wanted) <= kTolerance * wanted))
      throw DataError("rope_freqs.weight is not the llama3 scaling with low 1, high 4 and original context 8192");
  }
  return {{"factor", factor},
          {"high_freq_factor", kHighFrequency},
          {"low_freq_factor", kLowFrequency},
          {"original_max_position_embeddings", static_cast<int64_t>(kOriginalContext)},
          {"rope_type", "llama3"}};
}

}  // namespace ingot::checkpoint
