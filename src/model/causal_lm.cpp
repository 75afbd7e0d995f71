#include "model/causal_lm.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "model/decoder.h"
#include "model/family.h"
#include "ops/expert_routing.h"

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

at::Tensor CausalLm::logits(const ModelInput& input) const { return head().logits(hidden(input).states); }

LossTerms CausalLm::losses(const ModelInput& input, const ops::Labels& labels) const {
  const auto hidden_states = hidden(input);
  LossTerms terms;
  terms.cross_entropy = head().cross_entropy(hidden_states.states.flatten(0, 1), {labels.ids.flatten(), flat(labels.weights)},
                                             flat(input.dropout_keys));
  if (hidden_states.router_logits.empty()) return terms;
  const auto balance =
      ops::expert_balance(hidden_states.router_logits, config.experts_per_token, counted_tokens(labels.ids).flatten());
  terms.expert_balance = balance.loss;
  terms.expert_tokens = balance.tokens;
  return terms;
}

at::Tensor CausalLm::loss_sum(const ModelInput& input, const ops::Labels& labels) const {
  return losses(input, labels).cross_entropy;
}

at::Tensor CausalLm::objective(const LossTerms& terms, int64_t num_labels) const {
  if (!terms.expert_balance.defined() || config.router_aux_loss_coef == 0) return terms.cross_entropy;
  return terms.cross_entropy + terms.expert_balance * (config.router_aux_loss_coef * static_cast<double>(num_labels));
}

void check_tensor_parallel(const DecoderConfig& config, int64_t ranks, Problems& problems) {
  for (const auto& spec : parameter_specs(config, *find_family(config.model_type)))
    for (const auto& block : spec.split.blocks)
      if (!parallel::can_split({spec.split.dim, {block}}, ranks)) {
        problems.expect(false, "tensor_model_parallel_size", ranks,
                        fmt::format("a number that divides the {} {} of {}", block.units, block.units < block.size ? "heads" : "rows", spec.name));
        return;  // every layer would say the same
      }
  if (config.num_heads % ranks != 0) problems.expect(false, "tensor_model_parallel_size", ranks, fmt::format("a divisor of the {} heads", config.num_heads));
}

std::unique_ptr<CausalLm> build_model(const DecoderConfig& config, at::ScalarType dtype, const std::string& device, parallel::Communicator& ranks) {
  if (const auto* family = find_family(config.model_type))
    return std::make_unique<Decoder>(config, *family, dtype, device, ranks);
  std::string known;
  for (const auto& family : families()) known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  throw ConfigError("model_type: found " + config.model_type + ", wanted one of " + known);
}

}  // namespace ingot::model
