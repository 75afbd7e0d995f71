#include "train/gradient_sums.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/trace.h"
#include "ops/adamw.h"
#include "ops/tree_sum.h"
#include "parallel/traced.h"
#include "parallel/tree_reduce.h"

namespace ingot::train {

/// The sum of a leaf's gradients over micro-batches.
struct GradientSums::Sum {
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

/// What there is of one parameter; of one that is not here nothing.
struct GradientSums::Slot {
  explicit Slot(std::shared_ptr<model::Parameter> of) : parameter(std::move(of)), sums(num_leaves()) {}
  bool is_expert() const { return parameter->expert >= 0; }
  size_t num_leaves() const { return 1 + parameter->other_leaves.size(); }

  std::shared_ptr<model::Parameter> parameter;
  Group* group = nullptr;
  size_t place = 0;        // in the group
  size_t num_here = 0;     // leaves that have their gradient of the pass under way
  std::vector<Sum> sums;   // where there are no buckets: of each leaf; of the first alone where they need not be told apart
  at::Tensor gradient;     // of them all and over all ranks; undefined without one
};

/// Called when a leaf has its gradient of a micro-batch: no .grad lives longer than this.
struct GradientSums::Hook : torch::autograd::PostAccumulateGradHook {
  Hook(GradientSums& sums, Slot& slot, size_t leaf) : sums(sums), slot(slot), leaf(leaf) {}
  void operator()(const at::Tensor&) override {
    if (sums.pass_ == Pass::kNone) return;
    const at::NoGradGuard no_grad;
    sums.take_in(slot, leaf);
    auto& buckets = slot.group->buckets;
    if (++slot.num_here == slot.num_leaves() && buckets && (sums.pass_ == Pass::kLast || slot.group->keeps_rows)) buckets->close(slot.place);
  }
  GradientSums& sums;
  Slot& slot;
  const size_t leaf;
};

GradientSums::GradientSums(std::vector<std::shared_ptr<model::Parameter>> parameters, const parallel::Mesh& mesh, GradientSharing sharing)
    : data_(mesh.data), tensor_(mesh.tensor), pipeline_(mesh.pipeline), experts_(mesh.experts), expert_data_(mesh.expert_data), context_(mesh.context),
      terms_(mesh.tensor), sums_apart_(mesh.sums_apart), sharing_(sharing), by_rows_(sharing.by_rows && !sharing.in_tree && data_.size() > 1) {
  for (auto& parameter : parameters) {
    slots_.push_back(std::make_shared<Slot>(std::move(parameter)));
    auto& slot = *slots_.back();
    slot.group = slot.is_expert() && &expert_data_ != &data_ ? &of_experts_ : &of_all_;
    if (!slot.parameter->part.is_here) continue;
    slot.place = slot.group->slots.size();
    slot.group->slots.push_back(slots_.back());
  }
  if (sharing_.in_tree) return;
  for (const auto& slot : slots_)
    for (size_t leaf = 0; leaf < slot->num_leaves(); ++leaf)
      torch::autograd::impl::set_post_acc_grad_hooks(slot->parameter->leaf(leaf), std::make_unique<Hook>(*this, *slot, leaf));
}

GradientSums::~GradientSums() {
  if (sharing_.in_tree) return;
  for (const auto& slot : slots_)
    for (size_t leaf = 0; leaf < slot->num_leaves(); ++leaf) torch::autograd::impl::set_post_acc_grad_hooks(slot->parameter->leaf(leaf), nullptr);
}

void GradientSums::meet() {
  if (std::exchange(have_met_, true) || sharing_.in_tree) return;
  make_buckets(of_all_, data_);
  if (&expert_data_ != &data_) make_buckets(of_experts_, expert_data_);
}

void GradientSums::begin_pass(bool is_last) {
  TORCH_CHECK(have_met_, "a pass before the ranks have met");
  pass_ = is_last ? Pass::kLast : Pass::kOneOfSome;
}

/// Buckets have a group of their own, as they leave while others' calls are made, on each rank at another moment.
void GradientSums::make_buckets(Group& group, parallel::Communicator& replicas) {
  const bool has_replicas = replicas.size() > 1;
  group.meeting = has_replicas ? &replicas : &context_;
  if (group.meeting->size() == 1 || group.slots.empty()) return;
  group.others = has_replicas ? &context_ : &parallel::only_rank();
  group.keeps_rows = sharing_.keeps_rows && has_replicas;
  group.ranks = parallel::traced(group.meeting->split(0), "gradients");
  std::vector<std::shared_ptr<model::Parameter>> parameters;
  for (const auto& slot : group.slots) parameters.push_back(slot->parameter);
  group.buckets = std::make_unique<GradientBuckets>(parameters, *group.ranks, terms_,
                                                    GradientBuckets::Ways{.by_rows = by_rows_ && has_replicas, .waits = group.keeps_rows, .bucket_bytes = sharing_.bucket_bytes});
}

const at::Tensor& GradientSums::of(size_t i) const { return slots_[i]->gradient; }
void GradientSums::clear(size_t i) { slots_[i]->gradient.reset(); }

parallel::Communicator& GradientSums::replicas_of(const model::Parameter& parameter) const { return parameter.expert >= 0 ? expert_data_ : data_; }

parallel::RowShare GradientSums::rows_of(const model::Parameter& parameter) const { return parallel::row_share(parameter.value.size(0), replicas_of(parameter)); }

/// Adds the gradient of a leaf, if it has one, and forgets it.
void GradientSums::take_in(Slot& slot, size_t leaf) {
  at::Tensor& fresh = slot.parameter->leaf(leaf).mutable_grad();
  if (!slot.group->buckets) return slot.sums[0].add(fresh, 0);
  if (!fresh.defined()) return;
  slot.group->buckets->add(slot.place, fresh.detach());
  fresh.reset();
}

void GradientSums::accumulate(const std::vector<int64_t>& shards) {
  const at::NoGradGuard no_grad;
  const auto own = static_cast<size_t>(experts_.rank());
  for (const auto& slot : slots_)
    for (size_t leaf = 0; leaf < slot->num_leaves(); ++leaf) {
      if (!sharing_.in_tree) take_in(*slot, leaf);
      else slot->sums[sums_apart_ ? leaf : 0].add(slot->parameter->leaf(leaf).mutable_grad(), shards.at(slot->is_expert() && experts_.size() > 1 ? leaf : own));
    }
  end_pass();
}

void GradientSums::end_pass() {
  pass_ = Pass::kNone;
  for (const auto& slot : slots_) slot->num_here = 0;
  for (auto* group : {&of_all_, &of_experts_})
    if (group->keeps_rows) group->buckets->close_all();
}

void GradientSums::sum_over_ranks(int64_t num_shards) {
  const Span span("optimizer", "sum gradients over ranks");
  const at::NoGradGuard no_grad;
  TORCH_CHECK(have_met_ || data_.size() * context_.size() == 1, "sums over ranks that have not met");
  TORCH_CHECK(sharing_.in_tree == (num_shards > 0), "gradients are summed in a tree or are not");
  sharing_.in_tree ? sum_in_tree(num_shards) : sum_in_buckets();
  for (const auto& slot : slots_) sum_ends(*slot);
  if (!sharing_.in_tree) return;
  for (const auto& slot : slots_)
    if (slot->gradient.defined()) terms_.sum({{slot->parameter.get(), slot->gradient}});
}

void GradientSums::sum_in_buckets() {
  for (auto* group : {&of_all_, &of_experts_})
    if (group->buckets && !group->keeps_rows) group->buckets->close_all();
  std::vector<GradientOf> alone;
  for (auto* group : {&of_all_, &of_experts_}) {
    const auto sums = group->buckets ? group->buckets->take(*group->others) : std::vector<at::Tensor>();
    for (const auto& slot : group->slots) {
      slot->gradient = group->buckets ? sums[slot->place] : slot->sums[0].take(0);
      if (!group->buckets && slot->gradient.defined()) alone.push_back({slot->parameter.get(), slot->gradient});
    }
  }
  terms_.sum(alone);
}

void GradientSums::sum_in_tree(int64_t num_shards) {
  for (const auto& slot : slots_) {
    for (auto& sum : slot->sums) sum.gradient = sum.take(num_shards);
    if (!slot->is_expert()) continue;
    ops::TreeSum of_ranks;  // whose rows the leaves stand for
    for (auto& sum : slot->sums) of_ranks.add(std::exchange(sum.gradient, {}));
    slot->sums[0].gradient = of_ranks.take();
  }
  sum_over_group(data_, of_all_.slots);
  sum_over_group(expert_data_, of_experts_.slots);
  sum_over_group(context_, slots_);
  for (const auto& slot : slots_)
    for (auto& sum : slot->sums) {
      if (!sum.gradient.defined()) continue;
      slot->gradient.defined() ? void(slot->gradient.add_(sum.gradient)) : void(slot->gradient = sum.gradient);
      sum.gradient.reset();
    }
}

/// Of parameters that all of `ranks` have the same part of.
void GradientSums::sum_over_group(parallel::Communicator& ranks, const std::vector<std::shared_ptr<Slot>>& slots) {
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
    const auto& value = sums[i].first->parameter->value;
    if (!gradient.defined()) gradient = at::zeros(value.sizes(), value.options().dtype(at::kFloat).requires_grad(false));
    parallel::tree_all_reduce(ranks, gradient);
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

void GradientSums::discard() {
  for (const auto& slot : slots_) {
    slot->gradient.reset(), slot->num_here = 0;
    for (auto& sum : slot->sums) sum = {};
  }
  pass_ = Pass::kNone;
  for (auto* group : {&of_all_, &of_experts_}) {
    if (!group->buckets) continue;
    auto left = at::empty({group->meeting->size()}, at::kLong);
    group->meeting->all_gather(left, at::full({1}, group->buckets->num_left(), at::kLong));
    group->buckets->discard(left.max().item<int64_t>());
  }
}

/// Of the gradient's elements that this rank keeps, without those that another tensor rank counts.
double GradientSums::own_squares(const Slot& slot) const {
  const auto& parameter = *slot.parameter;
  if (parameter.part.count == 1) return ops::sum_of_squares(slot.gradient);
  const parallel::RowShare rows = by_rows_ ? rows_of(parameter) : parallel::RowShare{0, slot.gradient.size(0)};
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
  const Span span("optimizer", "gradient norm");
  const auto squares = at::zeros({std::ssize(slots_)}, at::kDouble);
  double* const values = squares.mutable_data_ptr<double>();
  for (size_t i = 0; i < slots_.size(); ++i) {
    const bool is_counted = by_rows_ || slots_[i]->is_expert() || experts_.rank() == 0;
    if (slots_[i]->gradient.defined() && slots_[i]->parameter->part.is_first && is_counted) values[i] = own_squares(*slots_[i]);
  }
  tensor_.all_reduce(squares);
  pipeline_.all_reduce(squares);
  (by_rows_ ? data_ : experts_).all_reduce(squares);
  return std::sqrt(std::accumulate(values, values + slots_.size(), 0.0));
}

std::optional<std::string> GradientSums::first_bad() const {
  for (const auto& slot : slots_)
    if (slot->gradient.defined() && !std::isfinite(ops::sum_of_squares(slot->gradient))) return slot->parameter->name;
  return {};
}

}  // namespace ingot::train
