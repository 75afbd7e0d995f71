#include "train/scored_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <limits>

#include "core/error.h"
#include "core/json.h"
#include "core/progress.h"
#include "data/files/raw_rows.h"
#include "data/files/record_reader.h"
#include "data/sft/record_handler.h"

namespace ingot::train {
namespace fs = std::filesystem;
namespace {

using Ids = std::vector<data::TokenId>;

/// True for a JSONL file whose first line has input_ids.
bool holds_input_ids(const fs::path& file) {
  if (!fs::is_regular_file(file) || file.extension() != ".jsonl") return false;
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line)) return false;
  const Json first = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  return first.is_object() && first.contains("input_ids");
}

Ids ids_of_line(const std::string& line, const std::string& where, int64_t vocab_size) {
  const Json record = parse_json(line, where);
  if (!record.is_object() || !record.contains("input_ids") || !record["input_ids"].is_array())
    throw DataError(fmt::format("{}: wanted an object with a list input_ids", where));
  Ids ids;
  for (const auto& item : record["input_ids"]) {
    const bool fits = item.is_number_integer() && item.get<int64_t>() >= 0 && item.get<int64_t>() < vocab_size;
    if (!fits) throw DataError(fmt::format("{}: input_ids: found {}, wanted an id below {}", where, item.dump(), vocab_size));
    ids.push_back(item.get<data::TokenId>());
  }
  return ids;
}

void for_each_id_line(const fs::path& file, int64_t vocab_size, const std::function<void(const Ids&)>& use) {
  Progress progress("evaluating", fs::file_size(file), "B");
  std::ifstream in(file);
  std::string line;
  for (uint64_t number = 1; std::getline(in, line); ++number) {
    if (!line.empty()) use(ids_of_line(line, fmt::format("{}, line {}", file.string(), number), vocab_size));
    progress.add(line.size() + 1);
  }
}

void for_each_text(const fs::path& data, const std::string& column, const std::function<void(const std::string&)>& use) {
  for (const auto& file : data::list_data_files(data)) {
    Progress progress("evaluating " + file.filename().string(), 0, "documents");
    const auto reader = data::open_text_reader(file, column);
    for (std::vector<data::TextRecord> batch; reader->next(batch);)
      for (const auto& record : batch) {
        if (!record.problem.empty())
          throw DataError(fmt::format("{}, row {}: {}", file.string(), record.row, record.problem));
        use(record.text);
        progress.add(1);
      }
  }
}

/// True when the first record is a conversation and has no text column.
bool holds_conversations(const ScoreRequest& request, const fs::path& data) {
  if (request.kind != "auto") return request.kind == "chat";
  const auto rows = data::open_json_row_reader(data::list_data_files(data).front());
  data::JsonRow row;
  if (!rows->next(row) || !row.problem.empty()) return false;
  const Json first = Json::parse(row.json, nullptr, /*allow_exceptions=*/false);
  return !first.contains(request.column) && !data::make_record_handler("auto", {})->handle(row.json).handler.empty();
}

}  // namespace

ScoredSet score_set(const ScoreRequest& request, const fs::path& data, const hub::ModelFolder& folder, const model::CausalLm& model) {
  if (!fs::exists(data)) throw ConfigError(fmt::format("--data: found {}, which does not exist", data.string()));
  ScoredSet scored{data, {}};
  const auto score = [&](const Ids& ids, int64_t window) {
    scored.longest = std::max(scored.longest, std::min(window, static_cast<int64_t>(ids.size()) - 1));
    scored.score += score_tokens(model, ids, window);
  };
  if (holds_input_ids(data)) {
    for_each_id_line(data, model.config.vocab_size, [&](const Ids& ids) { score(ids, std::numeric_limits<int64_t>::max() / 2); });
  } else if (holds_conversations(request, data)) {
    scored = score_conversations(request, data, folder, model);
  } else {
    for_each_text(data, request.column, [&](const std::string& text) {
      score(folder.tokenizer().encode_with_special_tokens(text), request.seq_length);
    });
  }
  if (scored.score.tokens == 0) throw DataError(fmt::format("{}: no token to score", data.string()));
  return scored;
}

}  // namespace ingot::train
