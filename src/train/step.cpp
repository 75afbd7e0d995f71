#include "train/step.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "core/error.h"
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
  for (size_t first = 0; first < samples.size(); first += width)
    batches.push_back(source.batch(samples.subspan(first, std::min(width, samples.size() - first))));
  return batches;
}

/// Adds the gradients of one micro-batch's loss sum to the optimizer's and returns the sum.
double accumulate_gradients(model::CausalLm& model, Optimizer& optimizer, const data::Batch& batch,
                            const StepPlan& plan) {
  auto [input, labels] = to_model_input(batch, model);
  if (model::has_dropout(model.parameters)) input.dropout_keys = dropout_keys(batch, plan.seed, plan.step);
  const at::Tensor loss = model.loss_sum(input, labels);
  const double sum = loss.item<double>();
  if (!std::isfinite(sum)) stop_at_bad_loss(model, batch, plan.step, sum);
  loss.backward();
  optimizer.accumulate();
  return sum;
}

}  // namespace

StepResult train_step(model::CausalLm& model, Optimizer& optimizer, const DataSource& source, const StepPlan& plan) {
  const auto batches = read_micro_batches(source, plan);
  StepResult result;
  for (const auto& batch : batches) result.labels += static_cast<uint64_t>(batch.num_labels());
  if (result.labels == 0)
    throw DataError(fmt::format("step {}: {}: not one label counts in this global batch", plan.step,
                                name_samples(batches)));

  const double scale = 1.0 / static_cast<double>(result.labels);
  for (const auto& batch : batches) {
    if (batch.num_labels() == 0) continue;  // its loss is 0 and so are its gradients
    result.loss += accumulate_gradients(model, optimizer, batch, plan) * scale;
    result.tokens += num_tokens(batch);
    result.flops += model_flops(model, batch);
  }
  result.grad_norm = optimizer.gradient_norm(scale);
  if (!std::isfinite(result.grad_norm)) stop_at_bad_gradient(model, optimizer, batches, plan.step);
  optimizer.step(plan.learning_rate, scale, result.grad_norm);
  return result;
}

}  // namespace ingot::train
