#pragma once

#include <filesystem>
#include <memory>

#include "data/chat/chat_template.h"
#include "hub/model_folder.h"
#include "model/causal_lm.h"
#include "train/score_request.h"
#include "train/scoring.h"

namespace ingot::train {

/// The score of one data set.
struct ScoredSet {
  std::filesystem::path data;
  Score score;
  uint64_t skipped = 0;  // conversations that cannot be scored
  int64_t longest = 0;   // tokens of the longest window
};

/// Scores one of the request's data sets. Throws ConfigError when it does not exist, DataError for bad records of raw
/// text or ids and when nothing is to be scored.
ScoredSet score_set(const ScoreRequest& request, const std::filesystem::path& data, const hub::ModelFolder& folder,
                    const model::CausalLm& model);

/// score_set for conversations.
ScoredSet score_conversations(const ScoreRequest& request, const std::filesystem::path& data, const hub::ModelFolder& folder,
                    const model::CausalLm& model);

}  // namespace ingot::train
