#include "model/causal_lm.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "model/decoder.h"
#include "model/family.h"
#include "parallel/tensor_parallel.h"

namespace ingot::model {
namespace {

/// True for the tokens of each row up to the one after its last label. [batch, seq] to the same
at::Tensor counted_tokens(const at::Tensor& labels) {
  const auto last_first = (labels != -100).flip({1});
  const auto more_come = last_first.cumsum(1).flip({1}) > 0;  // a label here or later
  const auto before = at::cat({more_come.narrow(1, 0, 1), more_come.narrow(1, 0, labels.size(1) - 1)}, 1);
  return more_come.logical_or(before);
}

at::Tensor flat(const at::Tensor& tensor) { return tensor.defined() ? tensor.flatten() : tensor; }

}  // namespace

HiddenStates CausalLm::hidden(const ModelInput& input) const {
  TORCH_CHECK(cut.num_stages() == 1, "this rank has ", cut.chunks, " of ", cut.num_stages(), " stages");
  return run_stage(0, input, {});
}

at::Tensor CausalLm::logits(const ModelInput& input) const { return head().logits(hidden(input).states); }

LossTerms CausalLm::losses(const ModelInput& input, const ops::Labels& labels) const {
  ModelInput counting = input;
  counting.counted = flat(counted(labels.ids));
  return losses_of(hidden(counting), counting, labels);
}

LossTerms CausalLm::losses_of(const HiddenStates& last, const ModelInput& input, const ops::Labels& labels) const {
  LossTerms terms;
  terms.cross_entropy = head().cross_entropy(last.states.flatten(0, 1), {labels.ids.flatten(), flat(labels.weights)}, flat(input.dropout_keys));
  if (!last.load.tokens.defined()) return terms;
  const auto num_counted = input.counted.sum().view({1});
  terms.expert_tokens = last.load.tokens.clone();
  context->all_reduce(num_counted);
  for (auto* ranks : {tensor, context}) ranks->all_reduce(terms.expert_tokens);
  const ops::ExpertLoad load{parallel::sum_of_ranks(parallel::sum_of_ranks(last.load.probability, *tensor), *context), terms.expert_tokens};
  terms.expert_balance = ops::expert_balance(load, num_counted.item<int64_t>(), config.num_layers);
  return terms;
}

at::Tensor CausalLm::counted(const at::Tensor& labels) const { return config.num_experts > 0 ? counted_tokens(labels) : at::Tensor(); }

at::Tensor CausalLm::loss_sum(const ModelInput& input, const ops::Labels& labels) const {
  return losses(input, labels).cross_entropy;
}

at::Tensor CausalLm::objective(const LossTerms& terms, int64_t num_labels) const {
  if (!terms.expert_balance.defined() || config.router_aux_loss_coef == 0) return terms.cross_entropy;
  return terms.cross_entropy + terms.expert_balance * (config.router_aux_loss_coef * static_cast<double>(num_labels));
}

std::unique_ptr<CausalLm> build_model(const DecoderConfig& config, at::ScalarType dtype, const std::string& device, const parallel::Mesh& mesh) {
  if (const auto* family = find_family(config.model_type))
    return std::make_unique<Decoder>(config, *family, dtype, device, mesh);
  std::string known;
  for (const auto& family : families()) known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  throw ConfigError("model_type: found " + config.model_type + ", wanted one of " + known);
}

}  // namespace ingot::model
