#include "train/not_finite.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"
#include "train/model_input.h"
#include "train/passes.h"
#include "train/ranks_agree.h"

namespace ingot::train {
namespace {

constexpr size_t kNamedSamples = 16;

bool is_finite(const at::Tensor& values) { return at::isfinite(values).all().item<bool>(); }

/// Whether an output is finite on all ranks that have tokens of the same rows; they ask together.
bool is_finite_for_all(const at::Tensor& output, const model::CausalLm& model) {
  const auto num_bad = at::full({1}, is_finite(output) ? 0 : 1, at::kLong);
  for (auto* ranks : {model.tensor, model.context}) ranks->all_reduce(num_bad);
  return num_bad.item<int64_t>() == 0;
}

}  // namespace

std::string name_samples(std::span<const data::Batch> batches) {
  std::vector<uint64_t> ids;
  for (const auto& batch : batches) ids.insert(ids.end(), batch.sample_ids.begin(), batch.sample_ids.end());
  const auto named = std::span(ids).first(std::min(ids.size(), kNamedSamples));
  std::string text = fmt::format("samples {}", fmt::join(named, ", "));
  if (named.size() < ids.size()) text += fmt::format(" and {} more", ids.size() - named.size());
  return text;
}

std::optional<std::string> first_bad_layer(model::CausalLm& model, const data::Batch& batch, parallel::Communicator& pipeline) {
  const at::NoGradGuard no_grad;
  std::vector<std::string> bad;
  const auto rows = to_model_input(batch, model);
  auto observer = std::exchange(model.observer, [&](const std::string& name, const at::Tensor& output) {
    if (!is_finite_for_all(output, model) && bad.back().empty()) bad.back() = name;
  });
  {
    Passes passes(model, pipeline);
    for (int64_t chunk = 0; chunk < model.cut.chunks; ++chunk) bad.emplace_back(), passes.forward(chunk, 0, rows);
  }
  model.observer = std::move(observer);
  for (const auto& name : bad)
    if (const auto first = first_text(pipeline, name); !first.empty()) return first;
  return {};
}

void stop_at_bad_loss(model::CausalLm& model, parallel::Communicator& pipeline, const data::Batch& batch, int64_t step, double loss) {
  const auto layer = first_bad_layer(model, batch, pipeline);
  throw DataError(fmt::format("step {}: {}: the loss is {}; first output that is not finite: {}", step,
                              name_samples({&batch, 1}), loss, layer.value_or("the output projection")));
}

void stop_at_bad_gradient(model::CausalLm& model, const Optimizer& optimizer, parallel::Communicator& pipeline, std::span<const data::Batch> batches,
                          int64_t step) {
  for (const auto& batch : batches)
    if (const auto layer = first_bad_layer(model, batch, pipeline))
      throw DataError(fmt::format("step {}: {}: the gradient norm is not finite; first output that is not finite: {}",
                                  step, name_samples({&batch, 1}), *layer));
  const auto gradient = first_text(pipeline, optimizer.first_bad_gradient().value_or(""));
  throw DataError(fmt::format("step {}: {}: the gradient norm is not finite; first gradient that is not finite: {}",
                              step, name_samples(batches), gradient.empty() ? "the sum of all" : gradient));
}

}  // namespace ingot::train
