#include "train/score_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "config/train_config.h"
#include "core/error.h"
#include "core/json.h"
#include "data/files/raw_rows.h"
#include "data/files/record_reader.h"
#include "train/prepare_data.h"

namespace ingot::train {
namespace fs = std::filesystem;
namespace {

constexpr int kRowsLookedAt = 1000;  // for a sound one

std::optional<ScoredKind> kind_named(const std::string& name) {
  if (name == "text") return ScoredKind::kText;
  if (name == "chat") return ScoredKind::kChat;
  if (name == "ids") return ScoredKind::kIds;
  return std::nullopt;
}

/// What a sound record is; nothing where that cannot be told.
std::optional<ScoredKind> kind_of(const std::string& json, const ScorePlan& plan) {
  const Json record = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (record.contains("input_ids") && record["input_ids"].is_array()) return ScoredKind::kIds;
  if (record.contains(plan.column)) return ScoredKind::kText;
  if (!plan.handler->handle(json).handler.empty()) return ScoredKind::kChat;
  return std::nullopt;
}

ScoredKind find_kind(const fs::path& file, const ScorePlan& plan) {
  const auto rows = data::open_json_row_reader(file);
  data::JsonRow row;
  for (int i = 0; i < kRowsLookedAt && rows->next(row); ++i)
    if (const auto kind = row.problem.empty() ? kind_of(row.json, plan) : std::nullopt) return *kind;
  return ScoredKind::kText;
}

ScoredData find_data(const fs::path& path, const std::optional<ScoredKind>& wanted, const ScorePlan& plan) {
  if (!fs::exists(path)) throw ConfigError(fmt::format("--data: found {}, which does not exist", path.string()));
  ScoredData found{path, data::list_data_files(path), ScoredKind::kText};
  found.kind = wanted ? *wanted : find_kind(found.files.front(), plan);
  if (found.kind != ScoredKind::kText) return found;
  std::vector<data::TextRecord> first;
  data::open_text_reader(found.files.front(), plan.column)->next(first);  // for a column that is not there
  return found;
}

/// Records as training with the configuration reads them. A conversation that would end training is left out here.
void read_as(const config::TrainConfig& config, ScorePlan& plan) {
  if (config.stage == "pt") {
    plan.column = config.json_keys.at(0);
    plan.seq_length = config.cutoff_len;
    return;
  }
  plan.handler = data::make_record_handler(config.sft.handler_name, data::MapKeys(config.sft.map_keys), config.sft.ignore_fields);
  plan.sample = sample_options(config);
  if (plan.sample.truncation == data::Truncation::kError) plan.sample.truncation = data::Truncation::kSkip;
}

}  // namespace

ScorePlan plan_scoring(const ScoreRequest& request, const hub::ModelFolder& folder) {
  ScorePlan plan;
  plan.sample = {.cutoff_len = std::numeric_limits<int64_t>::max(), .truncation = data::Truncation::kSkip};
  plan.handler = data::make_record_handler("auto", {});
  std::optional<config::TrainConfig> config;
  if (!request.config.empty()) read_as(config.emplace(config::load_train_config(request.config, {})), plan);
  plan.column = request.column.value_or(plan.column);
  plan.seq_length = request.seq_length.value_or(plan.seq_length);
  const auto by_stage = config ? std::optional(config->stage == "pt" ? ScoredKind::kText : ScoredKind::kChat) : std::nullopt;
  const auto wanted = request.kind == "auto" ? by_stage : kind_named(request.kind);
  for (const auto& path : request.data) plan.data.push_back(find_data(path, wanted, plan));
  if (std::any_of(plan.data.begin(), plan.data.end(), [](const ScoredData& data) { return data.kind != ScoredKind::kIds; })) folder.tokenizer();
  const auto is_chat = [](const ScoredData& data) { return data.kind == ScoredKind::kChat; };
  if (std::none_of(plan.data.begin(), plan.data.end(), is_chat)) return plan;
  if (request.chat_template.empty() && config && config->stage == "sft") plan.chat = open_chat_template(*config);
  else plan.chat = data::make_chat_template(request.chat_template.empty() ? data::detect_chat_template(folder.files()) : request.chat_template);
  return plan;
}

}  // namespace ingot::train
