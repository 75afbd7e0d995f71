#include "model/causal_lm.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "model/decoder.h"
#include "model/family.h"
#include "ops/linear_cross_entropy.h"
#include "ops/unit_rows.h"

namespace ingot::model {

at::Tensor CausalLm::output_matrix() const {
  return config.norm_head ? ops::unit_rows(head_weight()) : head_weight();
}

at::Tensor CausalLm::logits(const ModelInput& input) const { return at::linear(hidden(input), output_matrix()); }

at::Tensor CausalLm::loss_sum(const ModelInput& input, const at::Tensor& labels) const {
  return ops::linear_cross_entropy(hidden(input).flatten(0, 1), output_matrix(), labels.flatten());
}

std::unique_ptr<CausalLm> build_model(const DecoderConfig& config, at::ScalarType dtype, const std::string& device) {
  if (const auto* family = find_family(config.model_type))
    return std::make_unique<Decoder>(config, *family, dtype, device);
  std::string known;
  for (const auto& family : families()) known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  throw ConfigError("model_type: found " + config.model_type + ", wanted one of " + known);
}

}  // namespace ingot::model
