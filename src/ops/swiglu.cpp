#include "ops/swiglu.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/fused.h"
#include "ops/simd.h"

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class T>
void multiply_by_silu(const at::Tensor& gate, const at::Tensor& up, at::Tensor& out) {
  const T *gate_data = gate.const_data_ptr<T>(), *up_data = up.const_data_ptr<T>();
  T* out_data = out.mutable_data_ptr<T>();
  parallel_blocks(gate.numel(), [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const float g = widen(gate_data[i]);
      out_data[i] = round_to<T>(g * sigmoid(g) * widen(up_data[i]));
    }
  });
}

/// d_gate = d_out * up * s * (1 + g * (1 - s)) and d_up = d_out * g * s, with s = sigmoid(g).
template <class T>
void backward_blocks(const at::Tensor& d_out, const at::Tensor& gate, const at::Tensor& up, at::Tensor& d_gate,
                     at::Tensor& d_up) {
  const T *d_out_data = d_out.const_data_ptr<T>(), *gate_data = gate.const_data_ptr<T>();
  const T* up_data = up.const_data_ptr<T>();
  T *d_gate_data = d_gate.mutable_data_ptr<T>(), *d_up_data = d_up.mutable_data_ptr<T>();
  parallel_blocks(gate.numel(), [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const float g = widen(gate_data[i]), d = widen(d_out_data[i]), s = sigmoid(g);
      d_gate_data[i] = round_to<T>(d * widen(up_data[i]) * s * (1.0f + g * (1.0f - s)));
      d_up_data[i] = round_to<T>(d * g * s);
    }
  });
}

struct Swiglu : torch::autograd::Function<Swiglu> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate_in, const at::Tensor& up_in) {
    const auto gate = gate_in.contiguous(), up = up_in.contiguous();
    auto out = at::empty_like(gate);
    visit_dtype(gate, [&]<class T>(T) { multiply_by_silu<T>(gate, up, out); });
    ctx->save_for_backward({gate, up});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto d_out = grads[0].contiguous();
    auto d_gate = at::empty_like(d_out), d_up = at::empty_like(d_out);
    visit_dtype(d_out, [&]<class T>(T) { backward_blocks<T>(d_out, saved[0], saved[1], d_gate, d_up); });
    return {d_gate, d_up};
  }
};

}  // namespace

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  TORCH_CHECK(gate.sizes() == up.sizes(), "swiglu: gate ", gate.sizes(), " and up ", up.sizes(), " differ");
  return has_fused_kernel({gate, up}) ? Swiglu::apply(gate, up) : swiglu_composite(gate, up);
}

at::Tensor swiglu_composite(const at::Tensor& gate, const at::Tensor& up) { return at::silu(gate) * up; }

}  // namespace ingot::ops
