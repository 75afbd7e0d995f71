#include "train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/stop.h"
#include "core/trace.h"
#include "model/sharded_values.h"
#include "ops/adamw.h"
#include "train/named_state.h"
#include "train/row_exchange.h"

namespace ingot::train {
namespace {

constexpr double kClipEpsilon = 1e-6;  // of torch.nn.utils.clip_grad_norm_

/// The fp32 tensor that is updated: `own` rows of the value themselves, or a copy of those of a bfloat16 value.
at::Tensor master_of(const model::Parameter& parameter, const at::Tensor& own) {
  const auto dtype = parameter.value.scalar_type();
  if (dtype == at::kFloat) return own;
  if (dtype == at::kBFloat16) return own.to(at::kFloat);
  throw ConfigError(fmt::format("parameter {}: found {}, wanted float32 or bfloat16", parameter.name,
                                c10::toString(dtype)));
}

/// Those that are trained; each says so to autograd.
std::vector<std::shared_ptr<model::Parameter>> trained_of(const model::ParameterList& parameters) {
  std::vector<std::shared_ptr<model::Parameter>> trained;
  for (const auto& parameter : parameters.parameters) {
    parameter->set_trainable(parameter->trainable);
    if (parameter->trainable) trained.push_back(parameter);
  }
  return trained;
}

}  // namespace

/// What the optimizer keeps of one trainable parameter; of one that is not here no values.
struct Optimizer::Slot {
  Slot(std::shared_ptr<model::Parameter> of, parallel::RowShare kept)
      : parameter(std::move(of)), value(parameter->sharded ? parameter->sharded->own : parameter->value.detach()), rows(kept),
        own(parameter->sharded ? value : rows.of(value)), master(master_of(*parameter, own)) {
    first_moment = at::zeros_like(master, at::MemoryFormat::Contiguous);
    second_moment = at::zeros_like(first_moment);
  }
  bool has_copy() const { return parameter->value.scalar_type() != at::kFloat; }

  std::shared_ptr<model::Parameter> parameter;
  at::Tensor value;         // shares memory with the parameter, or with the rows of it that this rank keeps
  parallel::RowShare rows;  // of the parameter, whose state this rank keeps
  at::Tensor own;           // those rows of the value
  at::Tensor master, first_moment, second_moment;  // float32; a float32 parameter's rows are their own master
};

void OptimizerConfig::check(Problems& problems) const {
  problems.expect(adam_beta1 >= 0 && adam_beta1 < 1, "adam_beta1", adam_beta1, "0 or more and below 1");
  problems.expect(adam_beta2 >= 0 && adam_beta2 < 1, "adam_beta2", adam_beta2, "0 or more and below 1");
  problems.expect(std::isfinite(adam_epsilon) && adam_epsilon > 0, "adam_epsilon", adam_epsilon, "more than 0");
  problems.expect(std::isfinite(weight_decay) && weight_decay >= 0, "weight_decay", weight_decay, "0 or more");
  problems.expect(std::isfinite(max_grad_norm) && max_grad_norm >= 0, "max_grad_norm", max_grad_norm,
                  "0 (no clipping) or more");
}

Optimizer::Optimizer(const model::ParameterList& parameters, OptimizerConfig config, const parallel::Mesh& mesh)
    : config_(config), is_first_rank_(mesh.world.rank() == 0), writes_replicas_(mesh.context.rank() == 0),
      sums_(trained_of(parameters), mesh, {.in_tree = config.sums_in_tree, .by_rows = config.is_sharded, .keeps_rows = config.shards_gradients, .bucket_bytes = config.bucket_bytes}) {
  for (const auto& parameter : trained_of(parameters))
    slots_.push_back(std::make_shared<Slot>(parameter, config_.is_sharded ? sums_.rows_of(*parameter) : parallel::RowShare{0, parameter->value.size(0)}));
}

void Optimizer::set_masters(const ExactWeights& exact) {
  const at::NoGradGuard no_grad;
  for (const auto& slot : slots_) {
    end_if_stopped("loading weights, nothing is lost");
    if (slot->has_copy() && slot->parameter->part.is_here) slot->master.copy_(slot->rows.of(slot->parameter->own_part(exact(slot->parameter->name))));
  }
}

void Optimizer::step(double learning_rate, double scale, double norm) {
  const Span span("optimizer", "optimizer step");
  const double clip = config_.max_grad_norm > 0 ? std::min(1.0, config_.max_grad_norm / (norm + kClipEpsilon)) : 1.0;
  ops::AdamwArguments arguments{learning_rate, config_.adam_beta1, config_.adam_beta2, config_.adam_epsilon,
                                /*weight_decay=*/0, ++num_steps_, scale * clip};
  RowExchange exchange(config_.bucket_bytes);
  for (size_t i = 0; i < slots_.size(); ++i) {
    const auto& slot = slots_[i];
    const auto& gradient = sums_.of(i);
    if (!gradient.defined()) continue;
    for (const auto& tensor : {slot->value, slot->has_copy() ? slot->master : at::Tensor(), slot->first_moment, slot->second_moment})
      if (prepare_ && tensor.defined()) prepare_(tensor);
    arguments.weight_decay = slot->parameter->decay ? config_.weight_decay : 0;
    at::Tensor copy = slot->has_copy() ? slot->own : at::Tensor();
    ops::adamw_step(arguments, gradient.size(0) == slot->rows.count ? gradient : slot->rows.of(gradient), slot->master, slot->first_moment, slot->second_moment, copy);
    sums_.clear(i);
    if (config_.is_sharded && !slot->parameter->sharded) exchange.add(slot->value, sums_.replicas_of(*slot->parameter));
  }
  exchange.finish();
}

checkpoint::RunTensor Optimizer::state_of(const std::string& prefix, const Slot& slot, const at::Tensor& rows) const {
  auto tensor = rows_of_state_tensor(state_tensor(prefix, *slot.parameter, slot.value), rows, slot.rows.first);
  for (auto& part : tensor.parts) part.is_written = part.is_written && writes_replicas_ && (config_.is_sharded || sums_.replicas_of(*slot.parameter).rank() == 0);
  return tensor;
}

std::vector<checkpoint::RunTensor> Optimizer::state() const {
  std::vector<checkpoint::RunTensor> tensors;
  for (const auto& slot : slots_) {
    tensors.push_back(state_of("optimizer.first_moment.", *slot, slot->first_moment));
    tensors.push_back(state_of("optimizer.second_moment.", *slot, slot->second_moment));
    if (slot->has_copy()) tensors.push_back(state_of("optimizer.master.", *slot, slot->master));
  }
  tensors.emplace_back("optimizer.num_steps", at::full({1}, num_steps_, at::kLong));
  tensors.back().parts[0].is_written = is_first_rank_;
  return tensors;
}

void Optimizer::load_state(const checkpoint::StateReader& state) {
  const auto own = this->state();
  read_named_state(state, "optimizer.", own);
  const int64_t steps = own.back().value.item<int64_t>();
  if (steps < 0)
    throw DataError(fmt::format("checkpoint: tensor optimizer.num_steps: found {}, wanted 0 or more", steps));
  num_steps_ = steps;
}

}  // namespace ingot::train
