#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "core/json.h"
#include "workflows/plan_request.h"

namespace ingot::workflows {

/// What is known of one question.
struct PlanAnswer {
  PlanQuestion question;
  train::Estimate chosen;               // the fixed layout, or the fastest that fits, or the closest to fitting
  bool fits = false;
  int64_t parameters = 0, trained = 0;
  std::vector<train::RankMemory> stages;                    // of each pipeline stage
  std::vector<train::Estimate> by_recompute;                // none, selective, full
  train::CheckpointNeed checkpoint;
  std::vector<train::Estimate> others;  // that fit, fastest first
  train::Change change;                 // where the chosen one does not fit
};

/// Throws ConfigError for a fixed layout that is not possible.
PlanAnswer answer(const PlanQuestion& question, size_t most_layouts);

Json to_json(const PlanAnswer& answer);
void print(const PlanAnswer& answer, std::ostream& out);
/// A line each.
void print_table(const std::vector<PlanAnswer>& answers, std::ostream& out);

/// "41.2 GiB (7.1 GiB of weights, ...)", for a line of the log.
std::string memory_words(const train::RankMemory& rank, int64_t program);

/// "tp 8 x pp 4, zero 1, recompute selective".
std::string layout_words(const train::RunShape& shape);

}  // namespace ingot::workflows
