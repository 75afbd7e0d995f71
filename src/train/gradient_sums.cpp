#include "train/gradient_sums.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "ops/adamw.h"
#include "ops/tree_sum.h"
#include "parallel/tree_reduce.h"

namespace ingot::train {
namespace {

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

}  // namespace

/// What there is of one parameter; of one that is not here nothing.
struct GradientSums::Slot {
  explicit Slot(std::shared_ptr<model::Parameter> of) : parameter(std::move(of)), sums(1 + parameter->other_leaves.size()) {}
  bool is_expert() const { return parameter->expert >= 0; }

  std::shared_ptr<model::Parameter> parameter;
  std::vector<Sum> sums;  // of each leaf; of the first alone where they need not be told apart
  at::Tensor gradient;    // of them all and over all ranks; undefined without one
};

/// Called when a leaf has its gradient of a micro-batch.
struct GradientSums::Hook : torch::autograd::PostAccumulateGradHook {
  Hook(GradientSums& of, Slot& slot) : of(of), slot(slot) {}
  void operator()(const at::Tensor& leaf) override {
    const at::NoGradGuard no_grad;
    of.add_rows(slot, leaf.mutable_grad());
  }
  GradientSums& of;
  Slot& slot;
};

GradientSums::GradientSums(std::vector<std::shared_ptr<model::Parameter>> parameters, const parallel::Mesh& mesh, bool keeps_rows)
    : data_(mesh.data), tensor_(mesh.tensor), pipeline_(mesh.pipeline), experts_(mesh.experts), expert_data_(mesh.expert_data), context_(mesh.context),
      sums_apart_(mesh.sums_apart), keeps_rows_(keeps_rows && data_.size() > 1) {
  for (auto& parameter : parameters) slots_.push_back(std::make_shared<Slot>(std::move(parameter)));
  if (!keeps_rows_) return;
  for (const auto& slot : slots_)
    for (size_t leaf = 0; leaf <= slot->parameter->other_leaves.size(); ++leaf)
      torch::autograd::impl::set_post_acc_grad_hooks(slot->parameter->leaf(leaf), std::make_unique<Hook>(*this, *slot));
}

GradientSums::~GradientSums() {
  if (!keeps_rows_) return;
  for (const auto& slot : slots_)
    for (size_t leaf = 0; leaf <= slot->parameter->other_leaves.size(); ++leaf)
      torch::autograd::impl::set_post_acc_grad_hooks(slot->parameter->leaf(leaf), nullptr);
}

const at::Tensor& GradientSums::of(size_t i) const { return slots_[i]->gradient; }
void GradientSums::clear(size_t i) { slots_[i]->gradient.reset(); }

parallel::Communicator& GradientSums::replicas_of(const model::Parameter& parameter) const { return parameter.expert >= 0 ? expert_data_ : data_; }

parallel::RowShare GradientSums::rows_of(const model::Parameter& parameter) const { return parallel::row_share(parameter.value.size(0), replicas_of(parameter)); }

/// Adds this rank's rows of the sum over the ranks of a gradient of one micro-batch, and forgets it.
void GradientSums::add_rows(Slot& slot, at::Tensor& fresh) {
  const auto whole = fresh.detach().to(at::kFloat).contiguous();
  fresh.reset();
  if (tensor_.size() > 1) sum_terms(*slot.parameter, whole);
  const auto rows = parallel::own_rows_of_sum(whole, replicas_of(*slot.parameter));
  at::Tensor& sum = slot.sums[0].gradient;
  sum.defined() ? void(sum.add_(rows)) : void(sum = rows);
}

void GradientSums::accumulate(const std::vector<int64_t>& shards) {
  if (keeps_rows_) return;  // it is done
  const at::NoGradGuard no_grad;
  const auto own = static_cast<size_t>(experts_.rank());
  for (const auto& slot : slots_) {
    auto& parameter = *slot->parameter;
    for (size_t leaf = 0; leaf <= parameter.other_leaves.size(); ++leaf)
      slot->sums[sums_apart_ ? leaf : 0].add(parameter.leaf(leaf).mutable_grad(), shards.at(slot->is_expert() && experts_.size() > 1 ? leaf : own));
  }
}

void GradientSums::sum_over_ranks(int64_t num_shards) {
  const at::NoGradGuard no_grad;
  for (const auto& slot : slots_) {
    for (auto& sum : slot->sums) sum.gradient = sum.take(num_shards);
    if (!slot->is_expert() || num_shards == 0) continue;
    ops::TreeSum of_ranks;  // whose rows the leaves stand for
    for (auto& sum : slot->sums) of_ranks.add(std::exchange(sum.gradient, {}));
    slot->sums[0].gradient = of_ranks.take();
  }
  std::vector<std::shared_ptr<Slot>> of_all, of_experts;
  for (const auto& slot : slots_) (slot->is_expert() ? of_experts : of_all).push_back(slot);
  if (!keeps_rows_) sum_over_group(data_, of_all, num_shards > 0), sum_over_group(expert_data_, of_experts, num_shards > 0);
  sum_over_group(context_, slots_, num_shards > 0);
  for (const auto& slot : slots_) {
    for (auto& sum : slot->sums) {
      if (!sum.gradient.defined()) continue;
      slot->gradient.defined() ? void(slot->gradient.add_(sum.gradient)) : void(slot->gradient = sum.gradient);
      sum.gradient.reset();
    }
    sum_ends(*slot);
    if (tensor_.size() > 1 && !keeps_rows_ && slot->gradient.defined()) sum_terms(*slot->parameter, slot->gradient);
  }
}

/// Of a rank that has no gradient where others have one.
at::Tensor GradientSums::empty_sum(const Slot& slot) const {
  auto shape = slot.parameter->value.sizes().vec();
  if (keeps_rows_) shape[0] = rows_of(*slot.parameter).count;
  return at::zeros(shape, slot.parameter->value.options().dtype(at::kFloat).requires_grad(false));
}

/// Of parameters that all of `ranks` have the same part of.
void GradientSums::sum_over_group(parallel::Communicator& ranks, const std::vector<std::shared_ptr<Slot>>& slots, bool in_tree) {
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
    if (!gradient.defined()) gradient = empty_sum(*sums[i].first);
    in_tree ? parallel::tree_all_reduce(ranks, gradient) : ranks.all_reduce(gradient);
  }
}

/// Of a parameter that both ends of the pipeline have.
void GradientSums::sum_ends(Slot& slot) {
  const int64_t last = pipeline_.size() - 1;
  const bool is_end = pipeline_.rank() == 0 || pipeline_.rank() == last;
  if (last == 0 || !is_end || !slot.parameter->part.is_at_both_ends) return;
  TORCH_CHECK(slot.gradient.defined(), slot.parameter->name, " has no gradient at one end of the pipeline");
  const auto other = at::empty_like(slot.gradient);
  pipeline_.exchange(slot.gradient, other, last - pipeline_.rank());
  slot.gradient.add_(other);
}

/// Makes whole a gradient of which the tensor ranks have a term each: of what all of them hold, or of a slice that some share.
void GradientSums::sum_terms(const model::Parameter& parameter, at::Tensor gradient) {
  if (parameter.partial_gradient) tensor_.all_reduce(gradient);
  const auto slices = parameter.slices();
  for (size_t i = 0; i < parameter.split.blocks.size(); ++i) {
    const auto& block = parameter.split.blocks[i];
    if (block.units >= tensor_.size()) continue;
    const auto dim = parameter.split.dim;
    auto own = gradient.narrow(dim, slices[i].begin, slices[i].extent);
    auto shape = own.sizes().vec();
    shape[static_cast<size_t>(dim)] *= block.units;
    const auto whole = at::zeros(shape, own.options());
    auto place = whole.narrow(dim, tensor_.rank() * block.units / tensor_.size() * slices[i].extent, slices[i].extent);
    place.copy_(own);
    tensor_.all_reduce(whole);
    own.copy_(place);
  }
}

void GradientSums::discard() {
  for (const auto& slot : slots_) {
    slot->gradient.reset();
    for (auto& sum : slot->sums) sum = {};
  }
}

/// Of the gradient's elements that this rank keeps, without those that another tensor rank counts.
double GradientSums::own_squares(const Slot& slot) const {
  const auto& parameter = *slot.parameter;
  if (parameter.part.count == 1) return ops::sum_of_squares(slot.gradient);
  const parallel::RowShare rows = keeps_rows_ ? rows_of(parameter) : parallel::RowShare{0, slot.gradient.size(0)};
  double sum = 0;
  for (const auto& own : parameter.slices()) {
    if (!own.is_first) continue;
    int64_t begin = own.begin, end = own.begin + own.extent;
    if (parameter.split.dim == 0) begin = std::max(begin, rows.first) - rows.first, end = std::min(end, rows.first + rows.count) - rows.first;
    if (begin < end) sum += ops::sum_of_squares(slot.gradient.narrow(parameter.split.dim, begin, end - begin).contiguous());
  }
  return sum;
}

double GradientSums::norm() const {
  const auto squares = at::zeros({std::ssize(slots_)}, at::kDouble);
  double* const values = squares.mutable_data_ptr<double>();
  for (size_t i = 0; i < slots_.size(); ++i) {
    const bool is_counted = keeps_rows_ || slots_[i]->is_expert() || experts_.rank() == 0;
    if (slots_[i]->gradient.defined() && slots_[i]->parameter->part.is_first && is_counted) values[i] = own_squares(*slots_[i]);
  }
  tensor_.all_reduce(squares);
  pipeline_.all_reduce(squares);
  (keeps_rows_ ? data_ : experts_).all_reduce(squares);
  return std::sqrt(std::accumulate(values, values + slots_.size(), 0.0));
}

std::optional<std::string> GradientSums::first_bad() const {
  for (const auto& slot : slots_)
    if (slot->gradient.defined() && !std::isfinite(ops::sum_of_squares(slot->gradient))) return slot->parameter->name;
  return {};
}

}  // namespace ingot::train
