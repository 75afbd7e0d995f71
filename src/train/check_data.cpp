#include "train/check_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "core/error.h"
#include "core/stop.h"
#include "data/files/raw_rows.h"
#include "data/files/record_reader.h"
#include "data/sft/record_handler.h"
#include "train/prepare_data.h"

namespace ingot::train {
namespace fs = std::filesystem;
namespace {

/// Looks for what one file gives to train on; else returns why its first record gives nothing.
using Look = std::function<std::optional<std::string>(const fs::path& file)>;

std::optional<std::string> look_for_text(const fs::path& file, const std::string& column) {
  std::optional<std::string> reason;
  const auto reader = data::open_text_reader(file, column);
  for (std::vector<data::TextRecord> batch; reader->next(batch);) {
    end_if_stopped("looking at the data, nothing is lost");
    for (const auto& record : batch) {
      if (record.problem.empty() && !record.text.empty()) return {};
      if (!reason) reason = record.problem.empty() ? "empty text" : record.problem;
    }
  }
  return reason.value_or("no record");
}

std::optional<std::string> look_for_conversation(const fs::path& file, const data::RecordHandler& handler) {
  std::optional<std::string> reason;
  const auto reader = data::open_json_row_reader(file);
  for (data::JsonRow row; reader->next(row);) {
    end_if_stopped("looking at the data, nothing is lost");
    const auto handled = row.problem.empty() ? handler.handle(row.json) : data::HandledRecord{.reason = row.problem};
    if (handled.reason.empty()) return {};
    if (!reason) reason = handled.reason;
  }
  return reason.value_or("no record");
}

void look(const std::vector<fs::path>& files, const std::string& wanted, const Look& look_at) {
  std::optional<std::string> first;
  for (const auto& file : files) {
    const auto reason = look_at(file);
    if (!reason) return;
    if (!first) first = reason;
  }
  throw DataError(fmt::format("{}{}: no {} among the records; of the first: {}", files.front().string(), files.size() > 1 ? ", ..." : "", wanted, *first));
}

std::vector<fs::path> files_of(const std::vector<std::string>& paths) {
  std::vector<fs::path> files;
  for (const auto& path : paths) {
    const auto found = data::find_data_files(path).files;
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

void check_texts(const config::TrainConfig& config, const hub::ModelDescription& model) {
  if (config.append_eod && !model.tokenizer().eos_id())
    throw ConfigError(fmt::format("append_eod: the tokenizer in {} names no eos token; set append_eod: false", model.path().string()));
  for (const auto* paths : {&config.dataset, &config.eval_dataset}) {
    if (paths->empty()) continue;
    const auto files = files_of(*paths);
    for (const auto& column : config.json_keys)
      look(files, "document", [&](const auto& file) { return look_for_text(file, column); });
  }
}

/// Throws ConfigError for a tokenizer without the template's tokens.
void check_template(const config::TrainConfig& config, const data::Tokenizer& tokenizer) try {
  const auto chat = open_chat_template(config);
  chat->render({{{.role = data::Role::kUser, .content = "a"}, {.role = data::Role::kAssistant, .content = "b"}}}, tokenizer);
} catch (const DataError&) {  // these texts cannot be had in it; others may
}

void check_conversations(const config::TrainConfig& config, const hub::ModelDescription& model) {
  check_template(config, model.tokenizer());
  const auto handler = data::make_record_handler(config.sft.handler_name, data::MapKeys(config.sft.map_keys), config.sft.ignore_fields);
  for (const auto* paths : {&config.dataset, &config.eval_dataset})
    for (const auto& path : *paths)
      look(files_of({path}), "conversation", [&](const auto& file) { return look_for_conversation(file, *handler); });
}

}  // namespace

void check_data(const config::TrainConfig& config, const hub::ModelDescription& model) {
  if (config.stage == "sft") check_conversations(config, model);
  else check_texts(config, model);
}

}  // namespace ingot::train
