// The frequencies of rope, scaled: DecoderConfig's part that is arithmetic.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "model/decoder_config.h"

namespace ingot::model {
namespace {

/// Llama 3.1's frequency of one pair. Source: MODELS §1.2.
double llama3_frequency(double frequency, const RopeScaling& scaling) {
  const double wavelength = 2 * std::numbers::pi / frequency, old = scaling.original_max_position_embeddings;
  if (wavelength < old / scaling.high_freq_factor) return frequency;
  if (wavelength > old / scaling.low_freq_factor) return frequency / scaling.factor;
  const double low = scaling.low_freq_factor, share = (old / wavelength - low) / (scaling.high_freq_factor - low);
  return (1 - share) * frequency / scaling.factor + share * frequency;
}

/// The base that dynamic NTK takes for rows of `length` tokens. Source: transformers, modeling_rope_utils.py.
double dynamic_base(const DecoderConfig& config, int64_t length) {
  const double trained = static_cast<double>(config.max_position_embeddings), dims = static_cast<double>(config.rotary_dim());
  const double seen = std::max(static_cast<double>(length), trained), factor = config.rope_scaling.factor;
  return config.rope_theta * std::pow(factor * seen / trained - (factor - 1), dims / (dims - 2));
}

/// YaRN's frequency of pair `i`: as it was where it turns often in the trained length, divided where it turns seldom, and
/// in between a mean. Source: arXiv 2309.00071, equations 17-23, with transformers' borders.
double yarn_frequency(double frequency, double i, const DecoderConfig& config) {
  const auto& scaling = config.rope_scaling;
  const double dims = static_cast<double>(config.rotary_dim());
  const auto pair_of = [&](double turns) {
    return dims * std::log(scaling.original_max_position_embeddings / (turns * 2 * std::numbers::pi)) / (2 * std::log(config.rope_theta));
  };
  double low = pair_of(scaling.beta_fast), high = pair_of(scaling.beta_slow);
  if (scaling.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, dims - 1);
  if (low == high) high += 0.001;
  const double divided = std::clamp((i - low) / (high - low), 0.0, 1.0);
  return frequency / scaling.factor * divided + frequency * (1 - divided);
}

}  // namespace

std::vector<double> DecoderConfig::inverse_frequencies(int64_t length) const {
  const double dims = static_cast<double>(rotary_dim());
  const double base = rope_scaling.kind == "dynamic" ? dynamic_base(*this, length) : rope_theta;
  std::vector<double> frequencies(static_cast<size_t>(rotary_dim() / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double plain = std::pow(base, -2.0 * static_cast<double>(i) / dims);
    frequencies[i] = rope_scaling.kind == "linear"   ? plain / rope_scaling.factor
                     : rope_scaling.kind == "llama3" ? llama3_frequency(plain, rope_scaling)
                     : rope_scaling.kind == "yarn"   ? yarn_frequency(plain, static_cast<double>(i), *this)
                                                     : plain;
  }
  return frequencies;
}

double DecoderConfig::rope_amplitude() const {
  if (rope_scaling.kind != "yarn") return 1;
  if (rope_scaling.attention_factor > 0) return rope_scaling.attention_factor;
  const auto grown = [&](double scale) { return rope_scaling.factor <= 1 ? 1 : 0.1 * scale * std::log(rope_scaling.factor) + 1; };
  const bool two = rope_scaling.mscale > 0 && rope_scaling.mscale_all_dim > 0;
  return two ? grown(rope_scaling.mscale) / grown(rope_scaling.mscale_all_dim) : grown(1);
}

}  // namespace ingot::model
