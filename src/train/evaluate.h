#pragma once

#include <cstdint>
#include <optional>

#include "model/causal_lm.h"
#include "parallel/mesh.h"
#include "train/data_source.h"

namespace ingot::train {

/// The mean loss over all labels of the rows, every label with the same weight.
struct Evaluation {
  double loss = 0;
  uint64_t tokens = 0;  // labels that count
  double perplexity() const;
};

struct EvaluationOptions {
  int64_t micro_batch = 1;  // rows in one forward pass
  int64_t max_batches = 0;  // forward passes; 0: all rows
};

/// Scores the source's rows from the first on, without gradients; each data rank some, and all of them have the result. Nothing when
/// core/stop.h asked one of them to stop on the way.
/// Throws DataError when no label counts.
std::optional<Evaluation> evaluate(const model::CausalLm& model, const DataSource& source,
                                   const EvaluationOptions& options, const parallel::Mesh& mesh = parallel::only_rank());

}  // namespace ingot::train
