#include "hub/merge_check.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "checkpoint/hf_folder.h"
#include "core/error.h"
#include "core/log.h"
#include "core/random.h"
#include "hub/load_model.h"
#include "hub/lora.h"

namespace ingot::hub {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kFloatBytes = uint64_t{8} << 30;  // of a model that is compared in float32 arithmetic

/// How two models are compared.
struct Rule {
  at::ScalarType arithmetic;
  bool exact;    // float32 weights: the largest difference, of the largest logit; else root mean squares
  double bound;  // of that
};

/// Logits of one row of random tokens, [tokens, vocab] float32.
at::Tensor sample_logits(const model::CausalLm& model, int64_t num_tokens) {
  const at::NoGradGuard no_grad;
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < num_tokens; ++i)
    ids.push_back(static_cast<int64_t>(random_bits(0, random_stream::kGenerate, static_cast<uint64_t>(i)) %
                                       static_cast<uint64_t>(model.config.vocab_size)));
  const auto tokens = at::tensor(ids, at::kLong).unsqueeze(0);
  return model.logits({tokens, at::arange(num_tokens, at::kLong).unsqueeze(0), {}})[0].to(at::kFloat);
}

struct Logits {
  at::Tensor base, adapted;
};

Logits logits_with_adapter(const ModelFolder& base, const checkpoint::Adapter& adapter, at::ScalarType type, int64_t num_tokens) {
  const auto model = load_model(base, {type});
  Logits logits{sample_logits(*model, num_tokens), {}};
  attach_adapter(*model, adapter, base.path().string());
  logits.adapted = sample_logits(*model, num_tokens);
  return logits;
}

double largest(const at::Tensor& values) { return values.abs().max().item<double>(); }
double root_mean_square(const at::Tensor& values) { return values.to(at::kDouble).square().mean().sqrt().item<double>(); }

Rule rule_for(const ModelFolder& merged) {
  uint64_t bytes = 0;
  bool exact = true;
  for (const auto& tensor : merged.weights().tensors()) {
    exact = exact && tensor.dtype == DType::kF32;
    bytes += static_cast<uint64_t>(num_elements(tensor.shape).value()) * sizeof(float);
  }
  if (exact) return {at::kFloat, true, 1e-5};
  return bytes <= kFloatBytes ? Rule{at::kFloat, false, 0.02} : Rule{at::kBFloat16, false, 0.05};
}

}  // namespace

void check_merge(const ModelFolder& base, const checkpoint::Adapter& adapter, const fs::path& folder, int64_t num_tokens) {
  const ModelFolder merged(folder);
  const auto [arithmetic, exact, bound] = rule_for(merged);
  const auto [plain, adapted] = logits_with_adapter(base, adapter, arithmetic, num_tokens);
  const auto found = sample_logits(*load_model(merged, {arithmetic}), num_tokens);
  const auto difference = found - adapted;
  const double error = exact ? largest(difference) : root_mean_square(difference);
  const double scale = exact ? largest(adapted) : root_mean_square(adapted);
  const std::string report = fmt::format(
      "merged and adapted logits differ by at most {:.2e} (root mean square {:.2e}) of logits up to {:.3g} (root mean square "
      "{:.3g}), which the adapter moves by a root mean square of {:.2e}", largest(difference), root_mean_square(difference),
      largest(adapted), root_mean_square(adapted), root_mean_square(adapted - plain));
  if (!(error <= bound * scale))
    throw DataError(fmt::format("merge of {}: {}: wanted at most {} of the logits", base.path().string(), report, bound));
  log_info(report);
}

}  // namespace ingot::hub
