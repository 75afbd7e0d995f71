#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "hub/model_folder.h"
#include "model/causal_lm.h"
#include "train/score_plan.h"
#include "train/scoring.h"

namespace ingot::train {

/// The score of one data set.
struct ScoredSet {
  std::filesystem::path data;
  Score score;
  std::map<std::string, uint64_t> skipped;  // records that cannot be scored, by reason
  int64_t longest = 0;                      // tokens of the longest window
  uint64_t num_skipped() const;
  /// "3 records not scored: 2 empty text, 1 invalid UTF-8"; empty where all were.
  std::string skipped_text() const;
};

/// Scores one of the plan's data sets. A record that cannot be scored is counted, the first of each reason named in a warning,
/// and the rest goes on. Throws DataError for a damaged file and when nothing is to be scored, and an Error with
/// kExitTerminated when core/stop.h asks.
ScoredSet score_set(const ScorePlan& plan, const ScoredData& data, const hub::ModelFolder& folder, const model::CausalLm& model);

}  // namespace ingot::train
