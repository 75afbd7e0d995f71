#include "workflows/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "core/error.h"
#include "core/expect_folder.h"
#include "core/json.h"
#include "hub/load_model.h"
#include "hub/lora.h"
#include "train/scored_set.h"

namespace ingot::workflows {
namespace {

Json json_of(const train::Score& score) {
  return {{"loss", score.mean()}, {"perplexity", score.perplexity()}, {"tokens", score.tokens}, {"accuracy", score.accuracy()}};
}

std::string text_of(const train::Score& score) {
  return fmt::format("loss {:.6f} nat/token, perplexity {:.4f}, token accuracy {:.2f}%, {} tokens", score.mean(), score.perplexity(),
                     100 * score.accuracy(), score.tokens);
}

std::string skipped_text(const train::ScoredSet& set) {
  const std::string text = set.skipped_text();
  return text.empty() ? "" : "; " + text;
}

void print_json(const train::Score& total, const std::vector<train::ScoredSet>& sets, std::ostream& out) {
  Json object = json_of(total);
  object["data"] = Json::array();
  for (const auto& set : sets) {
    Json one{{"file", set.data.string()}};
    one.update(json_of(set.score));
    one["skipped"] = set.num_skipped();
    one["reasons"] = set.skipped;
    object["data"].push_back(one);
  }
  out << json_text(object) << "\n";
}

}  // namespace

int evaluate(const EvaluateRequest& request, std::ostream& out) {
  expect_folder(request.model, "--model", kModelFolder);
  if (!request.adapter.empty()) expect_folder(request.adapter, "--adapter", kAdapterFolder);
  const hub::ModelFolder folder(request.model);
  const train::ScorePlan plan = train::plan_scoring(request, folder);
  const auto model = hub::load_adapted_model(folder, request.adapter, hub::choose_compute({request.precision, request.device, "--"}));
  std::vector<train::ScoredSet> sets;
  train::Score total;
  int64_t longest = 0;
  for (const auto& data : plan.data) {
    sets.push_back(train::score_set(plan, data, folder, *model));
    total += sets.back().score;
    longest = std::max(longest, sets.back().longest);
    if (!request.json && plan.data.size() > 1) out << fmt::format("{}: {}{}\n", data.path.string(), text_of(sets.back().score), skipped_text(sets.back()));
  }
  hub::warn_beyond_plain_length(model->config, longest);
  if (request.json) print_json(total, sets, out);
  else out << text_of(total) << (sets.size() == 1 ? skipped_text(sets[0]) : "") << "\n";
  return kExitOk;
}

}  // namespace ingot::workflows
