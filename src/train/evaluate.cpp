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
#include "train/step.h"

namespace ingot::train {

double Evaluation::perplexity() const { return std::exp(loss); }

std::optional<Evaluation> evaluate(const model::CausalLm& model, const DataSource& source,
                                   const EvaluationOptions& options, const parallel::Mesh& mesh) {
  const at::NoGradGuard no_grad;
  const auto width = static_cast<uint64_t>(options.micro_batch);
  const uint64_t limit = static_cast<uint64_t>(options.max_batches) * width;
  const uint64_t rows = limit > 0 ? std::min(source.num_samples, limit) : source.num_samples;
  const auto num_batches = static_cast<int64_t>((rows + width - 1) / width);
  const auto own = micro_batches_of(mesh.data.rank(), mesh.data.size(), num_batches);
  const auto scores = at::zeros({num_batches, 2}, at::kDouble);  // of each micro-batch its loss and labels; zeros in other ranks' rows
  Progress progress("evaluation", static_cast<uint64_t>(own.end - own.first) * width, "rows");
  bool stops = false;
  for (int64_t i = own.first; i < own.end && !(stops = ranks_agree_to_stop(mesh.tensor, stop_requested() != 0)); ++i) {
    const uint64_t first = static_cast<uint64_t>(i) * width;
    std::vector<uint64_t> samples(std::min(width, rows - first));
    std::iota(samples.begin(), samples.end(), first);
    const data::Batch batch = source.batch(samples);
    const auto input = to_model_input(batch, model);
    scores[i][0] = model.loss_sum(input.input, input.labels).item<double>();
    scores[i][1] = batch.num_labels();
    progress.add(samples.size());
  }
  if (ranks_agree_to_stop(mesh.world, stops)) return {};
  mesh.data.all_reduce(scores);
  double sum = 0, labels = 0;
  for (int64_t i = 0; i < num_batches; ++i) sum += scores[i][0].item<double>(), labels += scores[i][1].item<double>();
  if (labels == 0) throw DataError("evaluation: not one label counts in the evaluation rows");
  return Evaluation{sum / labels, static_cast<uint64_t>(labels)};
}

}  // namespace ingot::train
