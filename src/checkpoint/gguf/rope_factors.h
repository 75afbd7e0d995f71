#pragma once

#include <span>

#include "core/json.h"

namespace ingot::checkpoint {

/// The rope scaling of a Hugging Face config that has these divisors of the rotary frequencies (rope_freqs.weight of a
/// GGUF file, [head_dim/2]): null for ones only, the llama3 form with the constants of Llama 3.1 and 3.2 where it gives
/// the same numbers. Throws DataError with the reason for others.
Json rope_scaling_of_factors(std::span<const float> factors, double rope_theta);

}  // namespace ingot::checkpoint
