#include "model/key_value_cache.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace ingot::model {
namespace {

void append(at::Tensor& store, int64_t length, const at::Tensor& fresh) {
  const int64_t wanted = length + fresh.size(1);
  if (!store.defined() || store.size(1) < wanted) {
    auto shape = fresh.sizes().vec();
    shape[1] = std::max<int64_t>({wanted, 2 * length, 64});
    auto larger = at::empty(shape, fresh.options());
    if (length > 0) larger.narrow(1, 0, length).copy_(store.narrow(1, 0, length));
    store = larger;
  }
  store.narrow(1, length, fresh.size(1)).copy_(fresh);
}

}  // namespace

KeyValueCache::Layer extend(KeyValueCache& cache, size_t layer, const at::Tensor& keys, const at::Tensor& values) {
  if (cache.layers.size() <= layer) cache.layers.resize(layer + 1);
  auto& store = cache.layers[layer];
  append(store.keys, cache.length, keys);
  append(store.values, cache.length, values);
  const int64_t total = cache.length + keys.size(1);
  return {store.keys.narrow(1, 0, total), store.values.narrow(1, 0, total)};
}

}  // namespace ingot::model
