#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/sft/record_handler.h"
#include "data/sft/render_sample.h"
#include "hub/model_folder.h"
#include "train/score_request.h"

namespace ingot::train {

enum class ScoredKind { kText, kChat, kIds };

/// One data set of a request.
struct ScoredData {
  std::filesystem::path path;
  std::vector<std::filesystem::path> files;
  ScoredKind kind;
};

/// What is scored, and how records become tokens.
struct ScorePlan {
  std::vector<ScoredData> data;
  std::string column = "text";
  int64_t seq_length = 1024;                    // window over raw text
  std::unique_ptr<data::RecordHandler> handler; // of conversations
  std::unique_ptr<data::ChatTemplate> chat;     // where there are some
  data::SampleOptions sample;                   // a conversation is scored whole unless a configuration cuts it
};

/// Finds out what can be known before a weight is read: the files, what they hold, the template. Flags stand above the
/// configuration. Throws ConfigError when a path does not exist, DataError for files of a kind that is not read and for a
/// column that is not there.
ScorePlan plan_scoring(const ScoreRequest& request, const hub::ModelFolder& folder);

}  // namespace ingot::train
