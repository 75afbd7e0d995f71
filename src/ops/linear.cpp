#include "ops/linear.h"

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Carries a Remake through the graph.
struct RemakeHolder : torch::CustomClassHolder {
  explicit RemakeHolder(Remake function) : remake(std::move(function)) {}
  Remake remake;
};

at::Tensor rows_of(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

struct Linears : torch::autograd::Function<Linears> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x, at::TensorList weights,
                               at::TensorList biases, const Remake& remake) {
    const auto rows = rows_of(x);
    auto shape = x.sizes().vec();
    variable_list outs;
    for (size_t j = 0; j < weights.size(); ++j) {
      shape.back() = weights[j].size(0);
      const auto out = biases.empty() ? at::mm(rows, weights[j].t()) : at::addmm(biases[j], rows, weights[j].t());
      outs.push_back(out.view(shape));
    }
    variable_list kept = weights.vec();
    if (remake)
      ctx->saved_data["remake"] = c10::IValue::make_capsule(c10::make_intrusive<RemakeHolder>(remake));
    else
      kept.push_back(x);
    ctx->save_for_backward(std::move(kept));
    ctx->saved_data["num_biases"] = static_cast<int64_t>(biases.size());
    return outs;
  }

  static at::Tensor input_of(AutogradContext* ctx, const variable_list& saved, size_t num_weights) {
    const auto found = ctx->saved_data.find("remake");
    if (found == ctx->saved_data.end()) return rows_of(saved[num_weights]);
    const auto holder = found->second.toCapsule();
    ctx->saved_data.erase(found);  // lets go of what the function holds
    return rows_of(static_cast<RemakeHolder&>(*holder).remake());
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const size_t n = grads.size(), num_biases = ctx->saved_data["num_biases"].toInt();
    const auto x = input_of(ctx, saved, n);
    variable_list d_inputs(1 + n + num_biases + 1);  // x, weights, biases, and nothing for remake
    at::Tensor d_x;
    for (size_t j = 0; j < n; ++j) {
      const auto d_out = rows_of(grads[j]);
      if (ctx->needs_input_grad(0)) d_x = d_x.defined() ? d_x.addmm_(d_out, saved[j]) : at::mm(d_out, saved[j]);
      if (ctx->needs_input_grad(1 + j)) d_inputs[1 + j] = at::mm(d_out.t(), x);
      if (num_biases > 0 && ctx->needs_input_grad(1 + n + j)) d_inputs[1 + n + j] = d_out.sum(0);
    }
    if (d_x.defined()) {
      auto shape = grads[0].sizes().vec();
      shape.back() = x.size(1);
      d_inputs[0] = d_x.view(shape);
    }
    return d_inputs;
  }
};

}  // namespace

std::vector<at::Tensor> linears(const at::Tensor& x, const std::vector<at::Tensor>& weights,
                                const std::vector<at::Tensor>& biases, const Remake& remake) {
  TORCH_CHECK(biases.empty() || biases.size() == weights.size(), "linears: ", biases.size(), " biases for ",
              weights.size(), " weights");
  for (const auto& weight : weights)
    TORCH_CHECK(weight.dim() == 2 && x.size(-1) == weight.size(1), "linears: x ", x.sizes(), " does not fit weight ",
                weight.sizes());
  return Linears::apply(x, at::TensorList(weights), at::TensorList(biases), remake);
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const Remake& remake) {
  return linears(x, {weight}, bias.defined() ? std::vector<at::Tensor>{bias} : std::vector<at::Tensor>{}, remake)[0];
}

}  // namespace ingot::ops
