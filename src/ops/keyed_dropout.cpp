#include "ops/keyed_dropout.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>
#include <cstring>

#include "core/random.h"
#include "ops/fused.h"
#include "ops/simd.h"

namespace ingot::ops {
namespace {

constexpr int64_t kLanes = 4;  // elements decided by one draw of 64 bits, 16 each
constexpr int64_t kDraws = 64;

struct Keep {
  uint16_t threshold;  // an element is kept when its 16 bits are at or above
  float scale;
};

Keep keep_of(double probability) {
  const double threshold = std::min(65535.0, std::round(probability * 65536));
  return {static_cast<uint16_t>(threshold), static_cast<float>(65536.0 / (65536.0 - threshold))};
}

/// One row; draw i of its key decides elements 4i to 4i+3.
template <class T>
void drop_row(const T* x, T* out, int64_t width, uint64_t key, uint64_t stream, Keep keep) {
  std::array<uint64_t, kDraws> bits{};
  std::array<uint16_t, kDraws * kLanes> lanes{};
  for (int64_t begin = 0; begin < width; begin += kDraws * kLanes) {
    const int64_t count = std::min(width - begin, kDraws * kLanes), draws = (count + kLanes - 1) / kLanes;
    const auto first = static_cast<uint64_t>(begin / kLanes);
#pragma omp simd
    for (int64_t i = 0; i < draws; ++i) bits[i] = random_bits(key, stream, first + static_cast<uint64_t>(i));
    std::memcpy(lanes.data(), bits.data(), sizeof(lanes));  // little-endian: lane 0 is the low 16 bits
#pragma omp simd
    for (int64_t i = 0; i < count; ++i)
      out[begin + i] = lanes[i] >= keep.threshold ? round_to<T>(widen(x[begin + i]) * keep.scale) : T(0.0f);
  }
}

}  // namespace

at::Tensor keyed_dropout(const at::Tensor& x_in, const at::Tensor& keys_in, const DropoutRule& rule) {
  TORCH_CHECK(x_in.dim() == 2 && keys_in.dim() == 1 && keys_in.size(0) == x_in.size(0) &&
                  keys_in.scalar_type() == at::kLong,
              "keyed_dropout: x ", x_in.sizes(), " and keys ", keys_in.sizes(), " do not fit");
  TORCH_CHECK(rule.probability >= 0 && rule.probability < 1, "keyed_dropout: probability ", rule.probability);
  const at::NoGradGuard no_grad;
  if (!has_fused_kernel({x_in})) {  // the factors are made on the CPU
    const auto ones = at::ones(x_in.sizes(), at::kFloat);
    return x_in * keyed_dropout(ones, keys_in.to(at::kCPU), rule).to(x_in.device(), x_in.scalar_type());
  }
  const auto x = x_in.contiguous(), keys = keys_in.to(at::kCPU).contiguous();
  auto out = at::empty_like(x);
  const int64_t width = x.size(1);
  const int64_t* key_data = keys.const_data_ptr<int64_t>();
  visit_dtype(x, [&]<class T>(T) {
    const T* x_data = x.const_data_ptr<T>();
    T* out_data = out.mutable_data_ptr<T>();
    parallel_rows(x.size(0), width, [&, keep = keep_of(rule.probability)](int64_t row) {
      drop_row(x_data + row * width, out_data + row * width, width, static_cast<uint64_t>(key_data[row]), rule.stream, keep);
    });
  });
  return out;
}

at::Tensor dropped(const at::Tensor& x, const at::Tensor& keys, const DropoutRule& rule) {
  if (!keys.defined() || rule.probability == 0) return x;
  const auto ones = at::ones({keys.numel(), x.size(-1)}, x.options().requires_grad(false));
  return x * keyed_dropout(ones, keys.flatten(), rule).view(x.sizes());
}

}  // namespace ingot::ops
