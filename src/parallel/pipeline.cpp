#include "parallel/pipeline.h"

#include <algorithm>

namespace ingot::parallel {
namespace {

using Pass = PipelineTask::Pass;

/// Micro-batches go through the chunks in groups of as many as there are ranks: the first group through chunk 0, then through chunk 1 ..., then
/// the second. Backward from the last chunk. The last group is filled up.
std::vector<PipelineTask> in_order(const PipelineCut& cut, int64_t num_micro_batches, Pass pass) {
  std::vector<PipelineTask> tasks;
  for (int64_t first = 0; first < num_micro_batches; first += cut.ranks)
    for (int64_t i = 0; i < cut.chunks; ++i)
      for (int64_t micro_batch = first; micro_batch < first + cut.ranks; ++micro_batch)
        tasks.push_back({pass, pass == Pass::kForward ? i : cut.chunks - 1 - i, micro_batch});
  return tasks;
}

/// Work of the stage that has most, where the last one has `last` layers.
double most_work(const DealtLayers& dealt, int64_t stages, int64_t last) {
  const int64_t others = (dealt.count - last + stages - 2) / (stages - 1);
  return std::max(static_cast<double>(others), static_cast<double>(last) + dealt.head);
}

/// An even share, or fewer where that makes the fullest stage's work less.
int64_t layers_of_last(const DealtLayers& dealt, int64_t stages) {
  if (stages == 1) return dealt.count;
  int64_t best = dealt.count / stages;
  for (int64_t last = best - 1; last >= 1; --last)
    if (most_work(dealt, stages, last) < most_work(dealt, stages, best)) best = last;
  return best;
}

}  // namespace

int64_t PipelineCut::chunk_of_layer(int64_t layer, const DealtLayers& dealt) const {
  for (int64_t chunk = 0; chunk < chunks; ++chunk)
    if (const auto [first, end] = stage_layers(dealt, num_stages(), stage_of(chunk)); layer >= first && layer < end) return chunk;
  return -1;
}

StageLayers stage_layers(const DealtLayers& dealt, int64_t stages, int64_t stage) {
  const int64_t last = layers_of_last(dealt, stages), others = dealt.count - last;
  if (stage == stages - 1) return {others, dealt.count};
  const auto first = [&](int64_t s) { return (s * others + stages - 2) / (stages - 1); };
  return {first(stage), first(stage + 1)};
}

int64_t most_in_flight(const PipelineCut& cut) {
  const int64_t behind = cut.ranks - 1 - cut.rank;
  return cut.chunks == 1 ? behind + 1 : 2 * behind + (cut.chunks - 1) * cut.ranks + 1;
}

std::vector<PipelineTask> pipeline_tasks(const PipelineCut& cut, int64_t num_micro_batches) {
  const auto forward = in_order(cut, num_micro_batches, Pass::kForward), backward = in_order(cut, num_micro_batches, Pass::kBackward);
  const auto ahead = std::min(static_cast<size_t>(most_in_flight(cut)), forward.size());
  std::vector<PipelineTask> tasks(forward.begin(), forward.begin() + static_cast<std::ptrdiff_t>(ahead));
  for (size_t i = 0; i < backward.size(); ++i) {
    tasks.push_back(backward[i]);
    if (ahead + i < forward.size()) tasks.push_back(forward[ahead + i]);
  }
  std::erase_if(tasks, [&](const PipelineTask& task) { return task.micro_batch >= num_micro_batches; });
  return tasks;
}

}  // namespace ingot::parallel
