#include "ops/recompute.h"

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Carries the function through the graph.
struct ComputationHolder : torch::CustomClassHolder {
  explicit ComputationHolder(Computation given) : function(std::move(given)) {}
  Computation function;
};

struct Recomputed : torch::autograd::Function<Recomputed> {
  static variable_list forward(AutogradContext* ctx, const Computation& function, const at::Tensor& x,
                               at::TensorList parameters) {
    ctx->saved_data["function"] = c10::IValue::make_capsule(c10::make_intrusive<ComputationHolder>(function));
    variable_list kept{x};
    kept.insert(kept.end(), parameters.begin(), parameters.end());
    ctx->save_for_backward(std::move(kept));
    return function(x);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto holder = ctx->saved_data["function"].toCapsule();
    const at::AutoGradMode recording(true);
    const auto x = saved[0].detach().set_requires_grad(ctx->needs_input_grad(0));
    const auto outs = static_cast<ComputationHolder&>(*holder).function(x);
    variable_list wanted;
    std::vector<size_t> places;  // in `found`, which has a slot for the function first
    for (size_t i = 0; i < saved.size(); ++i) {
      if (!ctx->needs_input_grad(i)) continue;
      wanted.push_back(i == 0 ? x : saved[i]);
      places.push_back(i + 1);
    }
    const auto gradients = torch::autograd::grad(outs, wanted, grads, /*retain_graph=*/false, /*create_graph=*/false,
                                                 /*allow_unused=*/true);
    variable_list found(saved.size() + 1);
    for (size_t i = 0; i < places.size(); ++i) found[places[i]] = gradients[i];
    return found;
  }
};

}  // namespace

std::vector<at::Tensor> recomputed(const Computation& function, const at::Tensor& x,
                                   const std::vector<at::Tensor>& parameters) {
  return Recomputed::apply(function, x, at::TensorList(parameters));
}

}  // namespace ingot::ops
