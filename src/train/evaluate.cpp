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
#include "train/passes.h"
#include "train/step.h"

namespace ingot::train {

namespace {

/// Micro-batches of the rank that has most, of those that go through them together.
int64_t most_of_partners(const parallel::Mesh& mesh, int64_t num_batches) {
  int64_t most = 0;
  for (int64_t i = 0; i < mesh.partners->size(); ++i) {
    const auto of = micro_batches_of(mesh.data.rank() - mesh.partners->rank() + i, mesh.data.size(), num_batches);
    most = std::max(most, of.end - of.first);
  }
  return most;
}

}  // namespace

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
  Passes passes(model, mesh.pipeline);
  bool comes = true;
  const int64_t end = own.first + most_of_partners(mesh, num_batches);
  for (int64_t i = own.first; i < end && comes; ++i) {
    if (model.cut.has_first()) comes = !partners_agree_to_stop(mesh, stop_requested() != 0);
    const uint64_t first = static_cast<uint64_t>(i) * width;
    std::vector<uint64_t> samples(i < own.end ? std::min(width, rows - first) : 0);
    std::iota(samples.begin(), samples.end(), first);
    const data::Batch batch = samples.empty() ? blank_batch(2 * mesh.context.size()) : source.batch(samples);
    const auto terms = passes.forward_all(to_model_input(batch, model), comes);
    if (terms && i < own.end) scores[i][0] = terms->cross_entropy.item<double>(), scores[i][1] = mesh.context.rank() == 0 ? batch.num_labels() : 0;
    progress.add(samples.size());
  }
  if (ranks_agree_to_stop(mesh.world, !comes)) return {};
  mesh.data.all_reduce(scores);
  mesh.context.all_reduce(scores);
  mesh.pipeline.all_reduce(scores);  // the last stage's
  double sum = 0, labels = 0;
  for (int64_t i = 0; i < num_batches; ++i) sum += scores[i][0].item<double>(), labels += scores[i][1].item<double>();
  if (labels == 0) throw DataError("evaluation: not one label counts in the evaluation rows");
  return Evaluation{sum / labels, static_cast<uint64_t>(labels)};
}

}  // namespace ingot::train
