#include "train/scored_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/stop.h"
#include "data/files/raw_rows.h"
#include "data/files/record_reader.h"
#include "data/sft/sft_samples.h"
#include "data/shards/batch.h"

namespace ingot::train {
namespace fs = std::filesystem;
namespace {

using Ids = std::vector<data::TokenId>;

/// Scores the records of one data set.
class SetScorer {
 public:
  SetScorer(const ScorePlan& plan, const ScoredData& data, const hub::ModelFolder& folder, const model::CausalLm& model)
      : plan_(plan), folder_(folder), model_(model), scored{.data = data.path} {}

  void add_file(const fs::path& file, ScoredKind kind) {
    file_ = file;
    if (kind == ScoredKind::kText) return add_texts();
    Progress progress("evaluating " + file.filename().string(), 0, kind == ScoredKind::kChat ? "conversations" : "lists");
    const auto rows = data::open_json_row_reader(file);
    for (data::JsonRow row; rows->next(row); progress.add(1)) {
      row_ = row.row;
      if (!row.problem.empty()) skip(row.problem);
      else if (kind == ScoredKind::kChat) attempt([&] { add_conversations(row.json); });
      else attempt([&] { add_ids(row.json); });
    }
  }

 private:
  void add_texts() {
    Progress progress("evaluating " + file_.filename().string(), 0, "documents");
    const auto reader = data::open_text_reader(file_, plan_.column);
    for (std::vector<data::TextRecord> batch; reader->next(batch); progress.add(batch.size()))
      for (const auto& record : batch) {
        row_ = record.row;
        if (!record.problem.empty()) skip(record.problem);
        else attempt([&] { add_text(record.text); });
      }
  }

  /// What is wrong with one record does not end the work.
  template <class Work>
  void attempt(const Work& work) try {
    work();
  } catch (const DataError& error) {
    skip(error.what());
  }

  void add_text(const std::string& text) {
    if (text.empty()) return skip("empty text");
    score_all(folder_.tokenizer().encode_with_special_tokens(text), plan_.seq_length);
  }

  void add_ids(const std::string& json) {
    const Json record = parse_json(json, file_.string());
    if (!record.is_object() || !record.contains("input_ids") || !record["input_ids"].is_array())
      return skip("no list input_ids");
    Ids ids;
    for (const auto& item : record["input_ids"]) {
      const bool fits = item.is_number_integer() && item.get<int64_t>() >= 0 && item.get<int64_t>() < model_.config.vocab_size;
      if (!fits) return skip(fmt::format("input_ids: found {}, wanted an id below {}", item.dump(), model_.config.vocab_size));
      ids.push_back(item.get<data::TokenId>());
    }
    if (record.contains("labels")) return add_labelled(std::move(ids), record["labels"]);
    score_all(ids, std::numeric_limits<int64_t>::max() / 2);
  }

  /// Of ids with labels as transformers has them, one for each and not shifted: -100 or the id.
  void add_labelled(Ids ids, const Json& labels) {
    if (!labels.is_array() || labels.size() != ids.size()) return skip(fmt::format("labels: wanted one for each of {} input_ids", ids.size()));
    data::Sample sample{.ids = std::move(ids)};
    for (size_t i = 0; i < sample.ids.size(); ++i) {
      const bool is_label = labels[i] == sample.ids[i];
      if (!is_label && labels[i] != data::kIgnoredLabel) return skip(fmt::format("labels: found {}, wanted -100 or the id {}", labels[i].dump(), sample.ids[i]));
      sample.loss_mask.push_back(is_label ? data::kLabel : data::kNoLabel);
    }
    if (sample.num_labels() == 0) return skip("not one token is a label");
    score(sample, {});  // ids alone need no tokenizer
  }

  void add_conversations(const std::string& json) {
    data::HandledRecord handled = plan_.handler->handle(json);
    if (!handled.reason.empty()) return skip(handled.reason, handled.detail);
    for (auto& conversation : handled.conversations) {
      const auto sample = data::render_sample(std::move(conversation), *plan_.chat, folder_.tokenizer(), plan_.sample);
      if (!sample.reason.empty()) skip(sample.reason, sample.detail);
      else score(sample, folder_.tokenizer().eos_id());
    }
  }

  void score(const data::Sample& sample, std::optional<data::TokenId> eos_id) {
    if (!is_known(sample.ids)) return;
    const auto labels = data::labels_of(sample.ids, sample.loss_mask, eos_id);
    scored.longest = std::max(scored.longest, static_cast<int64_t>(sample.ids.size()) - 1);
    scored.score += score_labels(model_, sample.ids, labels, sample.weights);
  }
  void score_all(const Ids& ids, int64_t window) {
    if (ids.size() < 2) return skip("fewer than two tokens");
    if (!is_known(ids)) return;
    scored.longest = std::max(scored.longest, std::min(window, static_cast<int64_t>(ids.size()) - 1));
    scored.score += score_tokens(model_, ids, window);
  }

  /// True when the model has an embedding for every id; else the record is skipped.
  bool is_known(const Ids& ids) {
    if (const int signal = stop_requested()) throw Error(kExitTerminated, fmt::format("evaluation stopped by signal {}", signal));
    const auto largest = std::max_element(ids.begin(), ids.end());
    const bool known = largest == ids.end() || *largest < model_.config.vocab_size;
    if (!known) skip("a token beyond the model's vocabulary", fmt::format("id {} of {}", *largest, model_.config.vocab_size));
    return known;
  }
  void skip(const std::string& reason, const std::string& detail = "") {
    if (scored.skipped[reason]++ > 0) return;
    log_warning(fmt::format("{}:{}: not scored: {}{}{}", file_.string(), row_, reason, detail.empty() ? "" : ": ", detail));
  }

  const ScorePlan& plan_;
  const hub::ModelFolder& folder_;
  const model::CausalLm& model_;
  fs::path file_;
  uint64_t row_ = 0;

 public:
  ScoredSet scored;
};

}  // namespace

uint64_t ScoredSet::num_skipped() const {
  uint64_t sum = 0;
  for (const auto& [reason, records] : skipped) sum += records;
  return sum;
}

std::string ScoredSet::skipped_text() const {
  std::string text;
  for (const auto& [reason, records] : skipped) text += fmt::format("{} {} {}", text.empty() ? ":" : ",", records, reason);
  return text.empty() ? "" : fmt::format("{} {} not scored{}", num_skipped(), num_skipped() == 1 ? "record" : "records", text);
}

ScoredSet score_set(const ScorePlan& plan, const ScoredData& data, const hub::ModelFolder& folder, const model::CausalLm& model) {
  SetScorer scorer(plan, data, folder, model);
  for (const auto& file : data.files) scorer.add_file(file, data.kind);
  if (const auto& score = scorer.scored.score; score.tokens > 0) {
    if (!std::isfinite(score.mean()))
      throw DataError(fmt::format("{}: its weights give the loss {} on {}, wanted a finite number", folder.path().string(), score.mean(), data.path.string()));
    return std::move(scorer.scored);
  }
  const std::string skipped = scorer.scored.skipped_text();
  throw DataError(fmt::format("{}: no token to score{}{}", data.path.string(), skipped.empty() ? "" : "; ", skipped));
}

}  // namespace ingot::train
