#include "train/evaluate.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/progress.h"
#include "core/stop.h"
#include "train/model_input.h"

namespace ingot::train {

double Evaluation::perplexity() const { return std::exp(loss); }

std::optional<Evaluation> evaluate(const model::CausalLm& model, const DataSource& source,
                                   const EvaluationOptions& options) {
  const at::NoGradGuard no_grad;
  const auto width = static_cast<uint64_t>(options.micro_batch);
  const uint64_t limit = static_cast<uint64_t>(options.max_batches) * width;
  const uint64_t rows = limit > 0 ? std::min(source.num_samples, limit) : source.num_samples;
  Progress progress("evaluation", rows, "rows");
  double sum = 0;
  uint64_t labels = 0;
  for (uint64_t first = 0; first < rows; first += width) {
    if (stop_requested()) return {};
    std::vector<uint64_t> samples(std::min(width, rows - first));
    std::iota(samples.begin(), samples.end(), first);
    const data::Batch batch = source.batch(samples);
    const auto input = to_model_input(batch, model);
    sum += model.loss_sum(input.input, input.labels).item<double>();
    labels += static_cast<uint64_t>(batch.num_labels());
    progress.add(samples.size());
  }
  if (labels == 0) throw DataError("evaluation: not one label counts in the evaluation rows");
  return Evaluation{sum / static_cast<double>(labels), labels};
}

}  // namespace ingot::train
