#include "train/step.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "core/error.h"
#include "core/stop.h"
#include "model/lora.h"
#include "train/dropout_keys.h"
#include "train/flops.h"
#include "train/model_input.h"
#include "train/not_finite.h"

namespace ingot::train {
namespace {

std::vector<data::Batch> read_micro_batches(const DataSource& source, const StepPlan& plan) {
  std::vector<data::Batch> batches;
  const auto width = static_cast<size_t>(plan.micro_batch);
  const std::span<const uint64_t> samples(plan.samples);
  for (size_t first = 0; first < samples.size() && !stop_requested(); first += width)
    batches.push_back(source.batch(samples.subspan(first, std::min(width, samples.size() - first))));
  return batches;
}

/// Adds the balance of experts of a micro-batch that has `share` of the labels.
void add_experts(const model::LossTerms& terms, double share, StepResult& result) {
  if (!terms.expert_balance.defined()) return;
  result.aux_loss = result.aux_loss.value_or(0) + terms.expert_balance.item<double>() * share;
  const auto tokens = terms.expert_tokens.to(at::kCPU);
  result.expert_tokens.resize(static_cast<size_t>(tokens.numel()));
  for (size_t expert = 0; expert < result.expert_tokens.size(); ++expert)
    result.expert_tokens[expert] += tokens[static_cast<int64_t>(expert)].item<int64_t>();
}

/// Adds the gradients of one micro-batch to the optimizer's and its loss to the result. `scale` is 1 / labels of all.
void accumulate_gradients(model::CausalLm& model, Optimizer& optimizer, const data::Batch& batch, const StepPlan& plan,
                          double scale, StepResult& result) {
  auto [input, labels] = to_model_input(batch, model);
  if (model::has_dropout(model.parameters)) input.dropout_keys = dropout_keys(batch, plan.seed, plan.step);
  const auto terms = model.losses(input, labels);
  const at::Tensor objective = model.objective(terms, batch.num_labels());
  const double sum = terms.cross_entropy.item<double>();
  if (!std::isfinite(objective.item<double>())) stop_at_bad_loss(model, batch, plan.step, sum);
  objective.backward();
  optimizer.accumulate();
  result.loss += sum * scale;
  add_experts(terms, static_cast<double>(batch.num_labels()) * scale, result);
}

}  // namespace

std::optional<StepResult> train_step(model::CausalLm& model, Optimizer& optimizer, const DataSource& source, const StepPlan& plan) {
  const auto batches = read_micro_batches(source, plan);
  if (stop_requested()) return {};
  StepResult result;
  for (const auto& batch : batches) result.labels += static_cast<uint64_t>(batch.num_labels());
  if (result.labels == 0)
    throw DataError(fmt::format("step {}: {}: not one label counts in this global batch", plan.step,
                                name_samples(batches)));

  const double scale = 1.0 / static_cast<double>(result.labels);
  for (const auto& batch : batches) {
    if (stop_requested()) {
      optimizer.discard();
      return {};
    }
    if (batch.num_labels() == 0) continue;  // its loss is 0 and so are its gradients
    accumulate_gradients(model, optimizer, batch, plan, scale, result);
    result.tokens += num_tokens(batch);
    result.flops += model_flops(model, batch);
  }
  result.grad_norm = optimizer.gradient_norm(scale);
  if (!std::isfinite(result.grad_norm)) stop_at_bad_gradient(model, optimizer, batches, plan.step);
  optimizer.step(plan.learning_rate, scale, result.grad_norm);
  return result;
}

}  // namespace ingot::train
