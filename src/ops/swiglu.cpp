#include "ops/swiglu.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/dispatch.h"
#include "ops/kernels/swiglu.h"

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Swiglu : torch::autograd::Function<Swiglu> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate_in, const at::Tensor& up_in) {
    const auto gate = gate_in.contiguous(), up = up_in.contiguous();
    auto out = at::empty_like(gate);
    visit_dtype(gate, [&]<class T>(T) {
      run_blocks(gate.numel(), SwigluBlock<T>{gate.const_data_ptr<T>(), up.const_data_ptr<T>(), out.mutable_data_ptr<T>(), gate.numel()});
    });
    ctx->save_for_backward({gate, up});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &gate = saved[0], &up = saved[1], d_out = grads[0].contiguous();
    auto d_gate = at::empty_like(d_out), d_up = at::empty_like(d_out);
    visit_dtype(d_out, [&]<class T>(T) {
      run_blocks(gate.numel(), SwigluBlockBackward<T>{d_out.const_data_ptr<T>(), gate.const_data_ptr<T>(), up.const_data_ptr<T>(),
                                                      d_gate.mutable_data_ptr<T>(), d_up.mutable_data_ptr<T>(), gate.numel()});
    });
    return {d_gate, d_up};
  }
};

}  // namespace

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  TORCH_CHECK(gate.sizes() == up.sizes(), "swiglu: gate ", gate.sizes(), " and up ", up.sizes(), " differ");
  return has_kernel({gate, up}) ? Swiglu::apply(gate, up) : swiglu_composite(gate, up);
}

at::Tensor swiglu_composite(const at::Tensor& gate, const at::Tensor& up) { return at::silu(gate) * up; }

}  // namespace ingot::ops
