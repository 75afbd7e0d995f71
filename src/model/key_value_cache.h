#pragma once

#include <ATen/core/Tensor.h>

#include "model/causal_lm.h"

namespace ingot::model {

/// Writes keys and values of new positions, [batch, new, kv_heads, head_dim], behind the first `cache.length` ones of a
/// layer and returns all of them. Room doubles when it runs out, so n tokens cost O(n) copies. `cache.length` stays:
/// the model moves it when every layer is done.
KeyValueCache::Layer extend(KeyValueCache& cache, size_t layer, const at::Tensor& keys, const at::Tensor& values);

}  // namespace ingot::model
