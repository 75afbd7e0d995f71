#include "model/sharded_values.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/engine.h>

#include <algorithm>

namespace ingot::model {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void set_memory(const at::Tensor& tensor, int64_t bytes) {
  auto* const storage = tensor.storage().unsafeGetStorageImpl();
  storage->set_data_ptr_noswap(storage->allocator()->allocate(static_cast<size_t>(bytes)));
  storage->set_nbytes(static_cast<size_t>(bytes));
}

const ValueUnit& unit_of(AutogradContext* ctx) { return *reinterpret_cast<const ValueUnit*>(ctx->saved_data["unit"].toInt()); }
int64_t address_of(const ValueUnit& unit) { return reinterpret_cast<int64_t>(&unit); }

/// What a unit's function begins with: x itself. The backward pass comes here last.
struct Entry : torch::autograd::Function<Entry> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, int64_t unit) {
    ctx->saved_data["unit"] = unit;
    return x.view_as(x);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    unit_of(ctx).let_go();
    return {grads[0], at::Tensor()};
  }
};

/// What it ends with: its results themselves. The backward pass comes here first.
struct Exit : torch::autograd::Function<Exit> {
  static variable_list forward(AutogradContext* ctx, at::TensorList results, int64_t unit, bool has_entry) {
    ctx->saved_data["unit"] = unit, ctx->saved_data["has_entry"] = has_entry;
    ctx->set_materialize_grads(false);
    variable_list same;
    for (const auto& result : results) same.push_back(result.view_as(result));
    return same;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto& unit = unit_of(ctx);
    unit.gather();
    // Where x needs no gradient, nothing says when the function's own are done.
    if (!ctx->saved_data["has_entry"].toBool()) torch::autograd::Engine::get_default_engine().queue_callback([&unit] { unit.let_go(); });
    grads.resize(grads.size() + 2);
    return grads;
  }
};

}  // namespace

ShardedValue::ShardedValue(const at::Tensor& value, parallel::Communicator& ranks)
    : rows(parallel::row_share(value.size(0), ranks)), own(rows.of(value.detach()).clone()), value_(value.variable_data()), ranks_(ranks) {
  set_memory(value_, 0);
}

parallel::Begun ShardedValue::begin_gather() {
  if (users_++ > 0) return {.wait = [] {}, .is_done = [] { return true; }};
  const at::NoGradGuard no_grad;
  set_memory(value_, value_.numel() * value_.element_size());
  return parallel::begin_gather_rows(value_, own, ranks_);
}

void ShardedValue::let_go() {
  if (--users_ == 0) set_memory(value_, 0);
}

const ValueUnit& ValueUnit::none() {
  static const ValueUnit unit;
  return unit;
}

std::vector<at::Tensor> ValueUnit::around(const ops::Computation& function, const at::Tensor& x) const {
  if (values_.empty()) return function(x);
  const Use use(*this);
  if (!at::GradMode::is_enabled()) return function(x);
  const auto results = function(x.requires_grad() ? Entry::apply(x, address_of(*this)) : x);
  const bool learns = std::any_of(results.begin(), results.end(), [](const at::Tensor& result) { return result.requires_grad(); });
  return learns ? Exit::apply(at::TensorList(results), address_of(*this), x.requires_grad()) : results;
}

void ValueUnit::gather() const {
  std::vector<parallel::Begun> calls;
  for (const auto& value : values_) calls.push_back(value->begin_gather());
  for (const auto& call : calls) call.wait();
}

void ValueUnit::let_go() const {
  for (const auto& value : values_) value->let_go();
}

}  // namespace ingot::model
