#include "train/prepare_data.h"

#include <fmt/format.h>

#include "core/file.h"
#include "core/log.h"

namespace ingot::train {
namespace {

data::PreprocessOptions preprocess_options(const config::TrainConfig& config, const hub::ModelDescription& model,
                                           const NamedSets& sets, const DataPlace& place) {
  data::PreprocessOptions options;
  options.inputs.assign(sets.paths.begin(), sets.paths.end());
  options.json_keys = config.json_keys;
  options.output_prefix = place.written() / sets.name;
  options.found_prefix = place.found() / sets.name;
  options.append_eod = config.append_eod;
  options.tokenizer_identity = model.tokenizer_identity();
  options.num_workers = static_cast<int>(config.preprocessing_num_workers);
  return options;
}

void report(const data::PreprocessReport& done, const DataPlace& place) {
  const std::string name = (place.found() / done.prefix.filename()).string();
  std::string skipped;
  for (const auto& [reason, count] : done.skipped) skipped += fmt::format(", {} skipped: {}", count, reason);
  log_info(fmt::format("{}: {} tokens in {} documents of {} records{}{}", name, done.tokens, done.documents,
                       done.records, skipped, done.reused ? " (from an earlier run)" : ""));
  report_unused(name, done.unused);
}

}  // namespace

void report_unused(const std::string& dataset, const data::ColumnCounts& unused) {
  std::vector<std::string> columns;
  for (const auto& [column, records] : unused) columns.push_back(fmt::format("{} ({} records)", column, records));
  if (!columns.empty()) log_info(fmt::format("{}: columns that are not used: {}", dataset, fmt::join(columns, ", ")));
}

data::PreprocessReport prepare_dataset(const config::TrainConfig& config, const hub::ModelDescription& model,
                                       const NamedSets& sets, const DataPlace& place, data::JobRank rank) {
  const auto& tokenizer = model.tokenizer();
  auto options = preprocess_options(config, model, sets, place);
  options.eod_id = tokenizer.eos_id().value_or(0);
  options.rank = rank;
  const auto done = data::preprocess_pretrain(options, tokenizer);
  if (done.empty()) return {};
  report(done.at(0), place);
  return done.at(0);
}

}  // namespace ingot::train
