#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/log.h"
#include "core/progress.h"
#include "data/files/raw_rows.h"
#include "data/files/record_reader.h"
#include "data/sft/record_handler.h"
#include "data/sft/render_sample.h"
#include "data/sft/sft_samples.h"
#include "train/scored_set.h"

namespace ingot::train {
namespace fs = std::filesystem;
namespace {

/// Scores the conversations of one record after another.
class ConversationScorer {
 public:
  ConversationScorer(const ScoreRequest& request, const fs::path& data, const hub::ModelFolder& folder, const model::CausalLm& model)
      : model_(model), tokenizer_(folder.tokenizer()),
        chat_(data::make_chat_template(request.chat_template.empty() ? data::detect_chat_template(folder.files()) : request.chat_template)),
        handler_(data::make_record_handler("auto", {})), scored{data, {}} {}

  void add(const data::JsonRow& row, const fs::path& file) {
    data::HandledRecord handled = row.problem.empty() ? handler_->handle(row.json) : data::HandledRecord{"", {}, row.problem, ""};
    if (!handled.reason.empty()) return skip(file, row.row, handled.reason);
    for (auto& conversation : handled.conversations) {
      const auto sample = data::render_sample(std::move(conversation), *chat_, tokenizer_, kWhole);
      if (!sample.reason.empty()) skip(file, row.row, sample.reason);
      else score(sample);
    }
  }

 private:
  static constexpr data::SampleOptions kWhole{.cutoff_len = std::numeric_limits<int64_t>::max(), .truncation = data::Truncation::kSkip};

  void score(const data::Sample& sample) {
    scored.longest = std::max(scored.longest, static_cast<int64_t>(sample.ids.size()) - 1);
    scored.score += score_labels(model_, sample.ids, data::labels_of(sample.ids, sample.loss_mask, tokenizer_.eos_id()), sample.weights);
  }
  void skip(const fs::path& file, uint64_t row, const std::string& reason) {
    if (scored.skipped++ == 0) log_warning(fmt::format("{}:{}: not scored: {}", file.string(), row, reason));
  }

  const model::CausalLm& model_;
  const data::Tokenizer& tokenizer_;
  std::unique_ptr<data::ChatTemplate> chat_;
  std::unique_ptr<data::RecordHandler> handler_;

 public:
  ScoredSet scored;
};

}  // namespace

ScoredSet score_conversations(const ScoreRequest& request, const fs::path& data, const hub::ModelFolder& folder,
                              const model::CausalLm& model) {
  ConversationScorer scorer(request, data, folder, model);
  for (const auto& file : data::list_data_files(data)) {
    Progress progress("evaluating " + file.filename().string(), 0, "conversations");
    const auto rows = data::open_json_row_reader(file);
    for (data::JsonRow row; rows->next(row); progress.add(1)) scorer.add(row, file);
  }
  return scorer.scored;
}

}  // namespace ingot::train
