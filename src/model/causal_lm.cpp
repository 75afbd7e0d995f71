#include "model/causal_lm.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "model/family_names.h"
#include "model/llama.h"
#include "ops/linear_cross_entropy.h"

namespace ingot::model {

at::Tensor CausalLm::logits(const ModelInput& input) const { return at::linear(hidden(input), head_weight()); }

at::Tensor CausalLm::loss_sum(const ModelInput& input, const at::Tensor& labels) const {
  return ops::linear_cross_entropy(hidden(input).flatten(0, 1), head_weight(), labels.flatten());
}

std::unique_ptr<CausalLm> build_model(const DecoderConfig& config, at::ScalarType dtype, const std::string& device) {
  if (config.model_type == "llama" || config.model_type == "mistral")
    return std::make_unique<Llama>(config, dtype, device);
  throw ConfigError("model_type: found " + config.model_type + ", wanted llama or mistral");
}

}  // namespace ingot::model
