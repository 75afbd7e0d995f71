#include "train/passes.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.h"
#include "parallel/tensor_parallel.h"

namespace ingot::train {
namespace {

constexpr size_t kMostSending = 64;  // messages whose memory is held until the other rank has them

/// A leaf of this stage's own graph.
at::Tensor leaf(const at::Tensor& tensor) { return tensor.defined() && tensor.is_floating_point() ? tensor.detach().set_requires_grad(at::GradMode::is_enabled()) : tensor; }

/// What of a stage's states carries a gradient.
std::vector<at::Tensor> differentiable(const model::HiddenStates& states) {
  std::vector<at::Tensor> found{states.states};
  if (states.load.probability.defined()) found.push_back(states.load.probability);
  return found;
}

}  // namespace

Passes::~Passes() {
  for (const auto& end : sending_) try {
      end();
    } catch (const CommError&) {
      // whoever waits for it has an error of its own
    }
}

std::optional<model::LossTerms> Passes::forward(int64_t chunk, int64_t micro_batch, const LabelledInput& rows) {
  const auto& input = rows.input;
  model::HiddenStates before;
  if (!model_.cut.is_first(chunk)) before = received_states(input, from_previous(chunk));
  auto after = model_.run_stage(chunk, input, before);
  if (at::GradMode::is_enabled()) kept_[{chunk, micro_batch}] = {before, after};
  if (model_.cut.is_last(chunk)) return model_.losses_of(after, input, rows.labels);
  for (const auto& tensor : differentiable(after)) send(tensor.detach(), to_next(chunk));
  if (after.load.tokens.defined()) send(after.load.tokens, to_next(chunk));
  return {};
}

void Passes::backward(int64_t chunk, int64_t micro_batch, const at::Tensor& objective) {
  const auto kept = std::move(kept_.extract({chunk, micro_batch}).mapped());
  if (model_.cut.is_last(chunk)) {
    objective.backward();
  } else {
    std::vector<at::Tensor> outputs, gradients;
    for (const auto& tensor : differentiable(kept.after)) {
      const auto gradient = received(at::empty(tensor.sizes(), tensor.options().requires_grad(false)), from_next(chunk));
      if (tensor.requires_grad()) outputs.push_back(tensor), gradients.push_back(gradient);
    }
    if (!outputs.empty()) torch::autograd::backward(outputs, gradients);
  }
  if (model_.cut.is_first(chunk)) return;
  for (const auto& tensor : differentiable(kept.before)) send(tensor.grad().defined() ? tensor.grad() : at::zeros_like(tensor), to_previous(chunk));
}

std::optional<model::LossTerms> Passes::forward_all(const LabelledInput& rows, bool& comes) {
  const at::NoGradGuard no_grad;
  std::optional<model::LossTerms> terms;
  for (int64_t chunk = 0; chunk < model_.cut.chunks; ++chunk)
    if ((comes = is_passed_on(chunk, comes))) terms = forward(chunk, 0, rows);
  return terms;
}

bool Passes::is_passed_on(int64_t chunk, bool comes) {
  if (!model_.cut.is_first(chunk)) comes = received(at::empty({1}, at::kLong), from_previous(chunk)).item<int64_t>() > 0;
  if (!model_.cut.is_last(chunk)) send(at::full({1}, comes ? 1 : 0, at::kLong), to_next(chunk));
  return comes;
}

Passes::Way Passes::to_next(int64_t chunk) const {
  return {(pipeline_.rank() + 1) % pipeline_.size(), 2 * (model_.cut.stage_of(chunk) + 1)};
}
Passes::Way Passes::from_next(int64_t chunk) const {
  return {(pipeline_.rank() + 1) % pipeline_.size(), 2 * model_.cut.stage_of(chunk) + 1};
}
Passes::Way Passes::to_previous(int64_t chunk) const {
  return {(pipeline_.rank() + pipeline_.size() - 1) % pipeline_.size(), 2 * (model_.cut.stage_of(chunk) - 1) + 1};
}
Passes::Way Passes::from_previous(int64_t chunk) const {
  return {(pipeline_.rank() + pipeline_.size() - 1) % pipeline_.size(), 2 * model_.cut.stage_of(chunk)};
}

model::HiddenStates Passes::received_states(const model::ModelInput& input, const Way& from) {
  const auto options = at::TensorOptions().dtype(model_.dtype).device(model_.device);
  const auto& config = model_.config;
  model::HiddenStates states;
  states.states = leaf(received(at::empty({parallel::share_of(input.tokens.numel(), *model_.tensor), config.hidden_size}, options), from));
  if (config.num_experts == 0) return states;
  states.load.probability = leaf(received(at::empty({config.num_experts}, options.dtype(at::kFloat)), from));
  states.load.tokens = received(at::empty({config.num_experts}, options.dtype(at::kLong)), from);
  return states;
}

at::Tensor Passes::received(at::Tensor place, const Way& from) {
  pipeline_.receive(place, from.rank, from.tag);
  return place;
}

void Passes::send(at::Tensor tensor, const Way& to) {
  sending_.push_back(pipeline_.begin_send(tensor.contiguous(), to.rank, to.tag));
  for (; sending_.size() > kMostSending; sending_.pop_front()) sending_.front()();
}

}  // namespace ingot::train
