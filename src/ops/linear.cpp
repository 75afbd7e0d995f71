#include "ops/linear.h"

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <utility>

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor rows_of(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

/// What the maps need besides tensors that may have gradients.
struct Plan {
  Remake remake;
  RowKeys keys;
  std::vector<LowRank> adapters;  // their a and b are inputs of the graph; empty, or one a map

  bool adapts(size_t j) const { return !adapters.empty() && adapters[j].defined(); }
  bool drops(size_t j) const { return keys.defined() && adapters[j].dropout.probability > 0; }
  at::Tensor dropped(size_t j, const at::Tensor& rows) const {
    return drops(j) ? keyed_dropout(rows, keys, adapters[j].dropout) : rows;
  }
};

/// Carries a Plan through the graph, without the tensors of its adapters, which the graph has itself.
struct PlanHolder : torch::CustomClassHolder {
  PlanHolder(Plan given, bool needs_x) : plan(std::move(given)) {
    if (!needs_x) plan.remake = {};
    for (auto& adapter : plan.adapters) {
      adapted.push_back(adapter.defined());
      adapter.a = adapter.b = at::Tensor();
    }
  }
  Plan plan;
  std::vector<bool> adapted;  // by map
};

/// The pass backward: gradients of the inputs of the graph, summed up map by map.
class Backward {
 public:
  Backward(AutogradContext* ctx, size_t num_maps)
      : ctx_(ctx), capsule_(ctx->saved_data["plan"].toCapsule()), holder_(static_cast<PlanHolder&>(*capsule_)),
        saved_(ctx->get_saved_variables()), n_(num_maps), num_biases_(ctx->saved_data["num_biases"].toInt()),
        num_factors_(2 * std::count(holder_.adapted.begin(), holder_.adapted.end(), true)), x_(input()),
        found_(1 + n_ + num_biases_ + num_factors_ + 1) {}  // nothing for the plan

  void add_map(size_t j, const at::Tensor& d_out) {
    const auto& weight = saved_[j];
    if (wants(0)) d_x_ = d_x_.defined() ? d_x_.addmm_(d_out, weight) : at::mm(d_out, weight);
    if (wants(1 + j)) found_[1 + j] = at::mm(d_out.t(), x_);
    if (num_biases_ > 0 && wants(1 + n_ + j)) found_[1 + n_ + j] = d_out.sum(0);
    if (!holder_.adapted.empty() && holder_.adapted[j]) add_adapter(j, d_out);
  }

  variable_list result(at::IntArrayRef d_out_shape) {
    if (!d_x_.defined()) return found_;
    auto shape = d_out_shape.vec();
    shape.back() = saved_[0].size(1);
    found_[0] = d_x_.view(shape);
    return found_;
  }

 private:
  bool wants(size_t input) const { return ctx_->needs_input_grad(input); }

  /// The input's rows, kept or made again; undefined when nothing needs them. What the remake holds is let go.
  at::Tensor input() {
    if (!ctx_->saved_data["needs_x"].toBool()) return {};
    return rows_of(holder_.plan.remake ? std::exchange(holder_.plan.remake, {})() : saved_.back());
  }

  void add_adapter(size_t j, const at::Tensor& d_out) {
    const Plan& plan = holder_.plan;
    const auto &a = saved_[n_ + factor_], &b = saved_[n_ + factor_ + 1];
    const auto& inner = saved_[n_ + num_factors_ + factor_ / 2];                 // [rows, rank]
    const auto d_inner = at::mm(d_out, b).mul_(plan.adapters[j].scale);
    const size_t place = 1 + n_ + num_biases_ + factor_;
    if (wants(place)) found_[place] = at::mm(d_inner.t(), plan.dropped(j, x_));
    if (wants(place + 1)) found_[place + 1] = at::mm(d_out.t(), inner).mul_(plan.adapters[j].scale);
    if (wants(0) && plan.drops(j)) d_x_.add_(plan.dropped(j, at::mm(d_inner, a)));
    else if (wants(0)) d_x_.addmm_(d_inner, a);
    factor_ += 2;
  }

  AutogradContext* ctx_;
  c10::intrusive_ptr<torch::CustomClassHolder> capsule_;
  PlanHolder& holder_;
  variable_list saved_;  // weights, factors, each adapter's inner product, and x where it is kept
  size_t n_, num_biases_, num_factors_, factor_ = 0;
  at::Tensor x_, d_x_;
  variable_list found_;
};

/// Inputs of the graph, in this order: x, the weights, the biases, and a and b of each adapter.
struct Linears : torch::autograd::Function<Linears> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x, at::TensorList weights,
                               at::TensorList biases, at::TensorList factors, const Plan& plan) {
    const auto rows = rows_of(x);
    auto shape = x.sizes().vec();
    variable_list outs, kept = weights.vec();
    kept.insert(kept.end(), factors.begin(), factors.end());
    for (size_t j = 0; j < weights.size(); ++j) {
      auto out = biases.empty() ? at::mm(rows, weights[j].t()) : at::addmm(biases[j], rows, weights[j].t());
      if (plan.adapts(j)) {
        const auto& adapter = plan.adapters[j];
        kept.push_back(at::mm(plan.dropped(j, rows), adapter.a.t()));  // [rows, rank]
        out.addmm_(kept.back(), adapter.b.t(), 1, adapter.scale);
      }
      shape.back() = weights[j].size(0);
      outs.push_back(out.view(shape));
    }
    const bool needs_x = learns(weights) || learns(factors);
    if (needs_x && !plan.remake) kept.push_back(x);
    ctx->save_for_backward(std::move(kept));
    ctx->saved_data["plan"] = c10::IValue::make_capsule(c10::make_intrusive<PlanHolder>(plan, needs_x));
    ctx->saved_data["needs_x"] = needs_x;
    ctx->saved_data["num_biases"] = static_cast<int64_t>(biases.size());
    return outs;
  }

  static bool learns(at::TensorList tensors) {
    return std::any_of(tensors.begin(), tensors.end(), [](const at::Tensor& tensor) { return tensor.requires_grad(); });
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    Backward pass(ctx, grads.size());
    for (size_t j = 0; j < grads.size(); ++j) pass.add_map(j, rows_of(grads[j]));
    return pass.result(grads[0].sizes());
  }
};

void check_shapes(const at::Tensor& x, const std::vector<at::Tensor>& weights, const std::vector<at::Tensor>& biases,
                  const std::vector<LowRank>& adapters) {
  TORCH_CHECK(biases.empty() || biases.size() == weights.size(), "linears: ", biases.size(), " biases for ",
              weights.size(), " weights");
  TORCH_CHECK(adapters.empty() || adapters.size() == weights.size(), "linears: ", adapters.size(), " adapters for ",
              weights.size(), " weights");
  for (const auto& weight : weights)
    TORCH_CHECK(weight.dim() == 2 && x.size(-1) == weight.size(1), "linears: x ", x.sizes(), " does not fit weight ",
                weight.sizes());
  for (size_t j = 0; j < adapters.size(); ++j) {
    const auto &a = adapters[j].a, &b = adapters[j].b;
    TORCH_CHECK(a.defined() == b.defined() &&
                    (!a.defined() || (a.dim() == 2 && b.dim() == 2 && a.size(0) == b.size(1) &&
                                      a.size(1) == weights[j].size(1) && b.size(0) == weights[j].size(0))),
                "linears: an adapter of ", a.defined() ? a.sizes() : at::IntArrayRef(), " and ",
                b.defined() ? b.sizes() : at::IntArrayRef(), " does not fit weight ", weights[j].sizes());
  }
}

}  // namespace

std::vector<at::Tensor> adapted_linears(const at::Tensor& x, const std::vector<at::Tensor>& weights,
                                        const std::vector<at::Tensor>& biases, const std::vector<LowRank>& adapters,
                                        const RowKeys& keys, const Remake& remake) {
  check_shapes(x, weights, biases, adapters);
  std::vector<at::Tensor> factors;
  for (const auto& adapter : adapters)
    if (adapter.defined()) factors.insert(factors.end(), {adapter.a, adapter.b});
  return Linears::apply(x, at::TensorList(weights), at::TensorList(biases), at::TensorList(factors),
                        Plan{remake, keys.defined() ? keys.flatten() : keys, adapters});
}

std::vector<at::Tensor> linears(const at::Tensor& x, const std::vector<at::Tensor>& weights,
                                const std::vector<at::Tensor>& biases, const Remake& remake) {
  return adapted_linears(x, weights, biases, {}, {}, remake);
}

at::Tensor adapted_linear_composite(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                    const LowRank& adapter, const RowKeys& keys) {
  const auto inner = at::linear(dropped(x, keys, adapter.dropout), adapter.a);
  return at::linear(x, weight, bias) + at::linear(inner, adapter.b) * adapter.scale;
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const Remake& remake) {
  return linears(x, {weight}, bias.defined() ? std::vector<at::Tensor>{bias} : std::vector<at::Tensor>{}, remake)[0];
}

}  // namespace ingot::ops
