#include "train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/stop.h"
#include "ops/adamw.h"
#include "ops/tree_sum.h"
#include "parallel/tree_reduce.h"
#include "train/named_state.h"

namespace ingot::train {
namespace {

constexpr double kClipEpsilon = 1e-6;  // of torch.nn.utils.clip_grad_norm_

/// The rows of a tensor whose state a rank keeps.
struct Rows {
  int64_t first, count;
  at::Tensor of(const at::Tensor& whole) const { return whole.narrow(0, first, count); }
};

/// As many for each rank, the last ones fewer.
int64_t most_rows(int64_t num_rows, parallel::Communicator& ranks) { return (num_rows + ranks.size() - 1) / ranks.size(); }

Rows rows_of(int64_t num_rows, parallel::Communicator& ranks) {
  const int64_t each = most_rows(num_rows, ranks);
  const int64_t first = std::min(num_rows, ranks.rank() * each);
  return {first, std::min(each, num_rows - first)};
}

/// Every rank's rows of `whole` become what they are on that rank.
void exchange_rows(at::Tensor whole, const Rows& own, parallel::Communicator& ranks) {
  const int64_t each = most_rows(whole.size(0), ranks);
  auto shape = whole.sizes().vec();
  shape[0] = each;
  const auto mine = at::zeros(shape, whole.options().requires_grad(false));
  mine.narrow(0, 0, own.count).copy_(own.of(whole));
  shape[0] = each * ranks.size();
  const auto all = at::empty(shape, mine.options());
  ranks.all_gather(all, mine);
  whole.copy_(all.narrow(0, 0, whole.size(0)));
}

/// The fp32 tensor that is updated: rows of the value itself, or a copy of those of a bfloat16 value.
at::Tensor master_of(const model::Parameter& parameter, const Rows& rows) {
  const auto dtype = parameter.value.scalar_type();
  const auto own = rows.of(parameter.value.detach());
  if (dtype == at::kFloat) return own;
  if (dtype == at::kBFloat16) return own.to(at::kFloat);
  throw ConfigError(fmt::format("parameter {}: found {}, wanted float32 or bfloat16", parameter.name,
                                c10::toString(dtype)));
}

}  // namespace

/// The sum of a leaf's gradients over micro-batches.
struct Sum {
  at::Tensor gradient;  // float32, of the value's shape; of the shard under way; undefined until the first
  int64_t shard = 0;
  ops::TreeSum earlier;  // of the shards before it

  void add(at::Tensor& fresh, int64_t of_shard) {
    if (!fresh.defined()) return;
    end_shards(of_shard);
    if (gradient.defined()) gradient.add_(fresh);
    else gradient = fresh.detach().to(at::kFloat).contiguous();
    fresh.reset();
  }
  void end_shards(int64_t up_to) {
    for (; shard < up_to; ++shard) earlier.add(std::exchange(gradient, {}));
  }
  at::Tensor take(int64_t num_shards) {
    if (num_shards == 0) return std::exchange(gradient, {});
    end_shards(num_shards);
    shard = 0;
    auto sum = earlier.take();
    return sum.defined() ? sum.add_(0.0) : sum;  // -0 becomes 0, as where zeros stand for a rank's empty branch
  }
};

/// What the optimizer keeps of one trainable parameter; of one that is not here no values.
struct Optimizer::Slot {
  Slot(std::shared_ptr<model::Parameter> of, Rows kept)
      : parameter(std::move(of)), value(parameter->value.detach()), rows(kept), master(master_of(*parameter, rows)),
        sums(1 + parameter->other_leaves.size()) {
    first_moment = at::zeros_like(master, at::MemoryFormat::Contiguous);
    second_moment = at::zeros_like(first_moment);
  }
  /// Of the gradient's elements, without those that another tensor rank counts.
  double own_squares() const {
    if (parameter->part.count == 1) return ops::sum_of_squares(gradient);
    double sum = 0;
    for (const auto& own : parameter->slices())
      if (own.is_first) sum += ops::sum_of_squares(gradient.dim() == 0 ? gradient : gradient.narrow(parameter->split.dim, own.begin, own.extent).contiguous());
    return sum;
  }
  bool has_copy() const { return parameter->value.scalar_type() != at::kFloat; }

  std::shared_ptr<model::Parameter> parameter;
  at::Tensor value;  // shares memory with the parameter
  Rows rows;         // of the value, whose state this rank keeps:
  at::Tensor master, first_moment, second_moment;  // float32; a float32 parameter's rows are their own master
  bool is_expert() const { return parameter->expert >= 0; }

  std::vector<Sum> sums;  // of each leaf; of the first alone where they need not be told apart
  at::Tensor gradient;    // of them all and over all ranks; undefined without one
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
    : config_(config), data_ranks_(mesh.data), tensor_ranks_(mesh.tensor), pipeline_(mesh.pipeline),
      experts_(mesh.experts), expert_data_(mesh.expert_data), context_(mesh.context), sums_apart_(mesh.sums_apart) {
  for (const auto& parameter : parameters.parameters) {
    parameter->set_trainable(parameter->trainable);
    if (!parameter->trainable) continue;
    const int64_t num_rows = parameter->value.size(0);
    slots_.push_back(std::make_shared<Slot>(parameter, config_.is_sharded ? rows_of(num_rows, parameter->expert >= 0 ? expert_data_ : data_ranks_) : Rows{0, num_rows}));
  }
}

void Optimizer::set_masters(const ExactWeights& exact) {
  const at::NoGradGuard no_grad;
  for (const auto& slot : slots_) {
    end_if_stopped("loading weights, nothing is lost");
    if (slot->has_copy() && slot->parameter->part.is_here) slot->master.copy_(slot->rows.of(slot->parameter->own_part(exact(slot->parameter->name))));
  }
}

/// The ranks that have the same part of a parameter.
parallel::Communicator& Optimizer::replicas_of(const Slot& slot) const { return slot.is_expert() ? expert_data_ : data_ranks_; }

void Optimizer::accumulate(const std::vector<int64_t>& shards) {
  const at::NoGradGuard no_grad;
  const auto own = static_cast<size_t>(experts_.rank());
  for (const auto& slot : slots_) {
    auto& parameter = *slot->parameter;
    for (size_t leaf = 0; leaf <= parameter.other_leaves.size(); ++leaf)
      slot->sums[sums_apart_ ? leaf : 0].add(parameter.leaf(leaf).mutable_grad(), shards.at(slot->is_expert() && experts_.size() > 1 ? leaf : own));
  }
}

void Optimizer::sum_over_ranks(int64_t num_shards) {
  const at::NoGradGuard no_grad;
  for (const auto& slot : slots_) {
    for (auto& sum : slot->sums) sum.gradient = sum.take(num_shards);
    if (!slot->is_expert() || num_shards == 0) continue;
    ops::TreeSum of_ranks;  // whose rows the leaves stand for
    for (auto& sum : slot->sums) of_ranks.add(std::exchange(sum.gradient, {}));
    slot->sums[0].gradient = of_ranks.take();
  }
  std::vector<std::shared_ptr<Slot>> of_all, of_experts;
  for (const auto& slot : slots_) (&replicas_of(*slot) == &data_ranks_ ? of_all : of_experts).push_back(slot);
  sum_over_group(data_ranks_, of_all, num_shards > 0);
  sum_over_group(expert_data_, of_experts, num_shards > 0);
  sum_over_group(context_, slots_, num_shards > 0);
  for (const auto& slot : slots_) {
    for (auto& sum : slot->sums) {
      if (!sum.gradient.defined()) continue;
      slot->gradient.defined() ? void(slot->gradient.add_(sum.gradient)) : void(slot->gradient = sum.gradient);
      sum.gradient.reset();
    }
    sum_ends(*slot);
    if (tensor_ranks_.size() > 1 && slot->gradient.defined()) sum_terms(*slot);
  }
}

/// Of parameters that all of `ranks` have the same part of.
void Optimizer::sum_over_group(parallel::Communicator& ranks, const std::vector<std::shared_ptr<Slot>>& slots, bool in_tree) {
  std::vector<std::pair<Slot*, Sum*>> sums;
  for (const auto& slot : slots)
    for (auto& sum : slot->sums) sums.emplace_back(slot.get(), &sum);
  if (ranks.size() == 1 || sums.empty()) return;
  const auto present = at::zeros({std::ssize(sums)}, at::kLong);  // on how many ranks a leaf has a gradient
  for (size_t i = 0; i < sums.size(); ++i) present[static_cast<int64_t>(i)] = sums[i].second->gradient.defined() ? 1 : 0;
  ranks.all_reduce(present);
  for (size_t i = 0; i < sums.size(); ++i) {
    at::Tensor& gradient = sums[i].second->gradient;
    if (present[static_cast<int64_t>(i)].item<int64_t>() == 0) continue;
    if (!gradient.defined()) gradient = at::zeros(sums[i].first->value.sizes(), sums[i].first->master.options());
    in_tree ? parallel::tree_all_reduce(ranks, gradient) : ranks.all_reduce(gradient);
  }
}

/// Of a parameter that both ends of the pipeline have.
void Optimizer::sum_ends(Slot& slot) {
  const int64_t last = pipeline_.size() - 1;
  const bool is_end = pipeline_.rank() == 0 || pipeline_.rank() == last;
  if (last == 0 || !is_end || !slot.parameter->part.is_at_both_ends) return;
  TORCH_CHECK(slot.gradient.defined(), slot.parameter->name, " has no gradient at one end of the pipeline");
  const auto other = at::empty_like(slot.gradient);
  pipeline_.exchange(slot.gradient, other, last - pipeline_.rank());
  slot.gradient.add_(other);
}

/// Makes whole a gradient of which the tensor ranks have a term each: of what all of them hold, or of a slice that some share.
void Optimizer::sum_terms(Slot& slot) {
  const model::Parameter& parameter = *slot.parameter;
  if (parameter.partial_gradient) tensor_ranks_.all_reduce(slot.gradient);
  const auto slices = parameter.slices();
  for (size_t i = 0; i < parameter.split.blocks.size(); ++i) {
    const auto& block = parameter.split.blocks[i];
    if (block.units >= tensor_ranks_.size()) continue;
    const auto dim = parameter.split.dim;
    auto own = slot.gradient.narrow(dim, slices[i].begin, slices[i].extent);
    auto shape = own.sizes().vec();
    shape[static_cast<size_t>(dim)] *= block.units;
    const auto whole = at::zeros(shape, own.options());
    auto place = whole.narrow(dim, tensor_ranks_.rank() * block.units / tensor_ranks_.size() * slices[i].extent, slices[i].extent);
    place.copy_(own);
    tensor_ranks_.all_reduce(whole);
    own.copy_(place);
  }
}

void Optimizer::discard() {
  for (const auto& slot : slots_) {
    slot->gradient.reset();
    for (auto& sum : slot->sums) sum = {};
  }
}

double Optimizer::gradient_norm(double scale) const {
  const auto squares = at::zeros({std::ssize(slots_)}, at::kDouble);
  double* const values = squares.mutable_data_ptr<double>();
  for (size_t i = 0; i < slots_.size(); ++i)
    if (slots_[i]->gradient.defined() && slots_[i]->parameter->part.is_first && (slots_[i]->is_expert() || experts_.rank() == 0))
      values[i] = slots_[i]->own_squares();
  tensor_ranks_.all_reduce(squares);
  pipeline_.all_reduce(squares);
  experts_.all_reduce(squares);
  return std::sqrt(std::accumulate(values, values + slots_.size(), 0.0)) * std::abs(scale);
}

std::optional<std::string> Optimizer::first_bad_gradient() const {
  for (const auto& slot : slots_)
    if (slot->gradient.defined() && !std::isfinite(ops::sum_of_squares(slot->gradient))) return slot->parameter->name;
  return {};
}

void Optimizer::step(double learning_rate, double scale, double norm) {
  const double clip = config_.max_grad_norm > 0 ? std::min(1.0, config_.max_grad_norm / (norm + kClipEpsilon)) : 1.0;
  ops::AdamwArguments arguments{learning_rate, config_.adam_beta1, config_.adam_beta2, config_.adam_epsilon,
                                /*weight_decay=*/0, ++num_steps_, scale * clip};
  for (const auto& slot : slots_) {
    if (!slot->gradient.defined()) continue;
    for (const auto& tensor : {slot->value, slot->has_copy() ? slot->master : at::Tensor(), slot->first_moment, slot->second_moment})
      if (prepare_ && tensor.defined()) prepare_(tensor);
    arguments.weight_decay = slot->parameter->decay ? config_.weight_decay : 0;
    const Rows& rows = slot->rows;
    at::Tensor copy = slot->has_copy() ? rows.of(slot->value) : at::Tensor();
    ops::adamw_step(arguments, rows.of(slot->gradient), slot->master, slot->first_moment, slot->second_moment, copy);
    slot->gradient.reset();
    if (config_.is_sharded && replicas_of(*slot).size() > 1) exchange_rows(slot->value, rows, replicas_of(*slot));
  }
}

checkpoint::RunTensor Optimizer::state_of(const std::string& prefix, const Slot& slot, const at::Tensor& rows) const {
  auto tensor = rows_of_state_tensor(state_tensor(prefix, *slot.parameter, slot.value), rows, slot.rows.first);
  for (auto& part : tensor.parts) part.is_written = part.is_written && context_.rank() == 0 && (config_.is_sharded || replicas_of(slot).rank() == 0);
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
  tensors.back().parts[0].is_written = tensor_ranks_.rank() == 0 && data_ranks_.rank() == 0 && pipeline_.rank() == 0 && context_.rank() == 0;
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
