#include "train/step.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <span>

#include "core/error.h"
#include "core/stop.h"
#include "core/trace.h"
#include "model/lora.h"
#include "parallel/pipeline.h"
#include "train/dropout_keys.h"
#include "train/flops.h"
#include "train/model_input.h"
#include "train/not_finite.h"
#include "train/passes.h"
#include "train/ranks_agree.h"

namespace ingot::train {
namespace {

/// What the micro-batches of a step gave, a row for each, on every rank: each fills the rows of its own, zeros stand in the others'.
struct Account {
  enum Column { kLabels, kTokens, kFlops, kLoss, kBalance, kExperts };
  Account(int64_t num_micro_batches, int64_t num_experts) : table(at::zeros({num_micro_batches, kExperts + num_experts}, at::kDouble)) {}
  double& at(int64_t micro_batch, int64_t column) { return table.mutable_data_ptr<double>()[micro_batch * table.size(1) + column]; }
  at::Tensor table;
};

/// A rank's share of a step.
class StepShare {
 public:
  StepShare(model::CausalLm& model, Optimizer& optimizer, const StepPlan& plan, const parallel::Mesh& mesh)
      : model_(model), optimizer_(optimizer), plan_(plan), mesh_(mesh), ranks_(mesh.data),
        num_micro_batches_((std::ssize(plan.samples) + plan.micro_batch - 1) / plan.micro_batch),
        shards_(plan.logical_shards > 0 ? plan.logical_shards : ranks_.size()), own_shards_(shards_ / ranks_.size()), own_(micro_batches_of_rank(ranks_.rank())) {}

  void read(const DataSource& source) {
    const std::span<const uint64_t> samples(plan_.samples);
    const auto width = static_cast<size_t>(plan_.micro_batch);
    for (int64_t i = own_.first; i < own_.end && !stop_requested(); ++i) {
      const size_t first = static_cast<size_t>(i) * width;
      const Span span("data", "read", {"micro_batch", i - own_.first});
      batches_.push_back(source.batch(samples.subspan(first, std::min(width, samples.size() - first))));
    }
  }

  /// Labels of the global batch. Nothing when a rank is asked to stop.
  std::optional<uint64_t> count_labels() {
    if (ranks_agree_to_stop(mesh_.world, stop_requested() != 0)) return {};
    int64_t own = 0;
    for (const auto& batch : batches_) own += batch.num_labels();
    const auto labels = at::full({1}, own, at::kLong);
    ranks_.all_reduce(labels);
    find_blanks();
    return static_cast<uint64_t>(labels.item<int64_t>());
  }

  /// Sums the gradients and losses of all micro-batches. False when a rank is asked to stop: then the sums are forgotten.
  bool sum(StepResult& result) {
    optimizer_.meet();
    Account account(num_micro_batches_, model_.config.num_experts);
    Passes passes(model_, mesh_.pipeline);
    for (const auto& task : parallel::pipeline_tasks(model_.cut, std::ssize(batches_))) run(task, passes, account);
    if (ranks_agree_to_stop(mesh_.world, stops_at_ < std::ssize(batches_))) {
      optimizer_.discard();
      return false;
    }
    ranks_.all_reduce(account.table);
    mesh_.context.all_reduce(account.table);
    mesh_.pipeline.all_reduce(account.table);  // the last stage's
    check_losses(account);
    add_up(account, result);
    optimizer_.sum_over_ranks(plan_.logical_shards > 0 ? own_shards_ : 0);
    return true;
  }

  std::span<const data::Batch> batches() const { return batches_; }

 private:
  MicroBatches micro_batches_of_rank(int64_t rank) const {
    return {micro_batches_of(rank * own_shards_, shards_, num_micro_batches_).first, micro_batches_of((rank + 1) * own_shards_ - 1, shards_, num_micro_batches_).end};
  }

  /// Partners go through their micro-batches together: who has fewer takes blank ones. Without a label on any of them one is
  /// passed over: its loss is 0 and so are its gradients.
  void find_blanks() {
    has_labels_ = at::zeros({num_micro_batches_}, at::kLong);
    for (size_t i = 0; i < batches_.size(); ++i) has_labels_[static_cast<int64_t>(i)] = batches_[i].num_labels() > 0 ? 1 : 0;
    mesh_.partners->all_reduce(has_labels_);
    while (std::ssize(batches_) < num_micro_batches_ && has_labels_[std::ssize(batches_)].item<int64_t>() > 0) batches_.push_back(blank_batch(2 * mesh_.context.size()));
    for (int64_t i = 0; i < std::ssize(batches_); ++i)
      if (has_labels_[i].item<int64_t>() > 0) last_ = i;
  }

  void run(const parallel::PipelineTask& task, Passes& passes, Account& account) {
    if (has_labels_[task.micro_batch].item<int64_t>() == 0) return;
    task.pass == parallel::PipelineTask::Pass::kForward ? forward(task, passes, account) : backward(task, passes);
  }

  void forward(const parallel::PipelineTask& task, Passes& passes, Account& account) {
    const auto& batch = batches_[static_cast<size_t>(task.micro_batch)];
    bool comes = task.micro_batch < stops_at_;
    if (comes && model_.cut.is_first(task.chunk)) comes = !partners_agree_to_stop(mesh_, stop_requested() != 0);
    if (!passes.is_passed_on(task.chunk, comes)) {
      stops_at_ = std::min(stops_at_, task.micro_batch);
      return;
    }
    const Span span("compute", "forward", {"micro_batch", task.micro_batch}, {"chunk", task.chunk});
    const auto keys = model::has_dropout(model_.parameters) ? dropout_keys(batch, plan_.seed, plan_.step) : at::Tensor();
    const auto terms = passes.forward(task.chunk, task.micro_batch, to_model_input(batch, model_, keys));
    if (!terms) return;
    objectives_[task.micro_batch] = model_.objective(*terms, batch.num_labels());
    if (batch.num_labels() > 0) note(batch, *terms, own_.first + task.micro_batch, account);
  }

  /// Adds the gradients of one micro-batch to the optimizer's.
  void backward(const parallel::PipelineTask& task, Passes& passes) {
    if (task.micro_batch >= stops_at_) return;
    const Span span("compute", "backward", {"micro_batch", task.micro_batch}, {"chunk", task.chunk});
    optimizer_.begin_pass(task.micro_batch == last_);
    passes.backward(task.chunk, task.micro_batch, model_.cut.is_last(task.chunk) ? objectives_.extract(task.micro_batch).mapped() : at::Tensor());
    optimizer_.accumulate(shards_of(task.micro_batch));
  }

  /// The logical shards that the ranks which share experts are in with their micro-batches of that number; of a blank one the last.
  std::vector<int64_t> shards_of(int64_t micro_batch) const {
    const int64_t first_rank = ranks_.rank() - mesh_.experts.rank();
    std::vector<int64_t> found(static_cast<size_t>(mesh_.experts.size()), 0);
    for (size_t i = 0; i < found.size() && plan_.logical_shards > 0; ++i) {
      const int64_t rank = first_rank + static_cast<int64_t>(i), place = micro_batches_of_rank(rank).first + micro_batch;
      while (found[i] + 1 < own_shards_ && micro_batches_of(rank * own_shards_ + found[i], shards_, num_micro_batches_).end <= place) ++found[i];
    }
    return found;
  }

  void note(const data::Batch& batch, const model::LossTerms& terms, int64_t micro_batch, Account& account) const {
    account.at(micro_batch, Account::kLoss) = terms.cross_entropy.item<double>();
    if (model_.context->rank() > 0) return;  // the rest they have in common
    account.at(micro_batch, Account::kLabels) = static_cast<double>(batch.num_labels());
    account.at(micro_batch, Account::kTokens) = static_cast<double>(num_tokens(batch));
    account.at(micro_batch, Account::kFlops) = model_flops(model_, batch);
    if (!terms.expert_balance.defined()) return;
    account.at(micro_batch, Account::kBalance) = terms.expert_balance.item<double>();
    const auto tokens = terms.expert_tokens.to(at::kCPU);
    for (int64_t expert = 0; expert < tokens.numel(); ++expert)
      account.at(micro_batch, Account::kExperts + expert) = static_cast<double>(tokens[expert].item<int64_t>());
  }

  /// The ranks that have the rows of a bad loss look for the layer, with their partners; the others wait for their error.
  void check_losses(Account& account) {
    for (int64_t i = 0; i < num_micro_batches_; ++i) {
      const double loss = account.at(i, Account::kLoss);
      if (std::isfinite(loss) && std::isfinite(account.at(i, Account::kBalance))) continue;
      int64_t rank = 0;
      while (micro_batches_of_rank(rank).end <= i) ++rank;
      const auto place = static_cast<size_t>(i - micro_batches_of_rank(rank).first);
      if (rank == ranks_.rank()) stop_at_bad_loss(model_, mesh_.pipeline, batches_[place], plan_.step, loss);
      if (rank / mesh_.partners->size() == ranks_.rank() / mesh_.partners->size()) first_bad_layer(model_, batches_[place], mesh_.pipeline);
      mesh_.world.barrier("waiting for the rank with a loss that is not finite");
    }
  }

  /// In the order of the micro-batches, so that the sums do not depend on the ranks.
  void add_up(Account& account, StepResult& result) const {
    const double scale = 1.0 / static_cast<double>(result.labels);
    const int64_t num_experts = model_.config.num_experts;
    if (num_experts > 0) result.aux_loss = 0, result.expert_tokens.resize(static_cast<size_t>(num_experts));
    for (int64_t i = 0; i < num_micro_batches_; ++i) {
      result.loss += account.at(i, Account::kLoss) * scale;
      result.tokens += static_cast<uint64_t>(account.at(i, Account::kTokens));
      result.flops += account.at(i, Account::kFlops);
      if (num_experts > 0) *result.aux_loss += account.at(i, Account::kBalance) * (account.at(i, Account::kLabels) * scale);
      for (int64_t expert = 0; expert < num_experts; ++expert)
        result.expert_tokens[static_cast<size_t>(expert)] += static_cast<int64_t>(account.at(i, Account::kExperts + expert));
    }
  }

  model::CausalLm& model_;
  Optimizer& optimizer_;
  const StepPlan& plan_;
  const parallel::Mesh& mesh_;
  parallel::Communicator& ranks_;  // that have other rows
  const int64_t num_micro_batches_, shards_, own_shards_;
  const MicroBatches own_;
  std::vector<data::Batch> batches_;  // own_, and blank ones
  at::Tensor has_labels_;             // [micro-batches] of each whether it, or a partner's, has labels
  int64_t last_ = -1;                 // of those that are not passed over
  int64_t stops_at_ = std::numeric_limits<int64_t>::max();  // the first of this rank's micro-batches that does not come
  std::map<int64_t, at::Tensor> objectives_;                // of this rank's micro-batches that wait for their backward pass
};

}  // namespace

MicroBatches micro_batches_of(int64_t shard, int64_t shards, int64_t count) {
  const auto first = [&](int64_t s) { return (s * count + shards - 1) / shards; };
  return {first(shard), first(shard + 1)};
}

bool ranks_agree_to_stop(parallel::Communicator& ranks, bool stops) {
  if (ranks.size() == 1) return stops;
  const auto flag = at::full({1}, stops ? 1 : 0, at::kLong);
  ranks.all_reduce(flag);
  return flag.item<int64_t>() > 0;
}

bool ranks_agree_to_stop(std::initializer_list<parallel::Communicator*> groups, bool stops) {
  for (auto* group : groups) stops = ranks_agree_to_stop(*group, stops);
  return stops;
}

bool partners_agree_to_stop(const parallel::Mesh& mesh, bool stops) {
  return ranks_agree_to_stop({&mesh.tensor, mesh.partners, &mesh.context}, stops);
}

data::Batch blank_batch(int64_t seq_length) {
  data::Batch batch;
  batch.rows = 1, batch.seq_length = seq_length;
  const auto size = static_cast<size_t>(seq_length);
  batch.tokens.assign(size, 0), batch.labels.assign(size, data::kIgnoredLabel), batch.positions.assign(size, 0), batch.sample_ids = {0};
  return batch;
}

std::optional<StepResult> train_step(model::CausalLm& model, Optimizer& optimizer, const DataSource& source, const StepPlan& plan,
                                     const parallel::Mesh& mesh) {
  const Span span("step", "step", {"step", plan.step});
  StepShare share(model, optimizer, plan, mesh);
  share.read(source);
  StepResult result;
  const auto labels = share.count_labels();
  if (!labels) return {};
  result.labels = *labels;
  if (result.labels == 0)
    throw DataError(fmt::format("step {}: {}: not one label counts in this global batch", plan.step, name_samples(share.batches())));
  if (!share.sum(result)) return {};
  const double scale = 1.0 / static_cast<double>(result.labels);
  result.grad_norm = of_first_rank(mesh.world, optimizer.gradient_norm(scale));  // whose last bits may depend on the machine: all must clip alike
  if (!std::isfinite(result.grad_norm)) stop_at_bad_gradient(model, optimizer, mesh.pipeline, share.batches(), plan.step);
  optimizer.step(plan.learning_rate, scale, result.grad_norm);
  return result;
}

}  // namespace ingot::train
