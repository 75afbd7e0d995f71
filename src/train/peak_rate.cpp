#include "train/peak_rate.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>

namespace ingot::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Seconds of one product; reading an element waits for a device that works on its own.
double time_product(const at::Tensor& a, const at::Tensor& b, at::Tensor& out) {
  const auto start = Clock::now();
  at::matmul_out(out, a, b);
  out.view(-1)[0].item<float>();
  return seconds_since(start);
}

}  // namespace

double measure_matrix_rate(at::ScalarType dtype, const at::Device& device) {
  constexpr double kBudget = 0.5;
  constexpr int kRepeats = 4;
  const at::NoGradGuard no_grad;
  const auto start = Clock::now();
  double best = 0, slowest = 0;
  for (int64_t n = 256; n <= 4096; n *= 2) {
    // The next size takes eight times as long; the first product of a size also pays for its kernel's set-up.
    if (seconds_since(start) + 8 * (kRepeats + 1) * slowest > kBudget) break;
    const auto options = at::TensorOptions(device).dtype(dtype);
    const at::Tensor a = at::full({n, n}, 0.5, options), b = at::full({n, n}, 0.25, options);
    at::Tensor out = at::empty({n, n}, options);
    slowest = 0;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      const double seconds = time_product(a, b, out), flops = 2.0 * static_cast<double>(n * n * n);
      best = std::max(best, flops / std::max(seconds, 1e-9));
      if (repeat > 0) slowest = std::max(slowest, seconds);
    }
  }
  return best;
}

}  // namespace ingot::train
