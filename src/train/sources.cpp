#include "train/sources.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/printable.h"
#include "data/shards/row_dataset.h"
#include "data/shards/sampler.h"
#include "train/prepare_data.h"

namespace ingot::train {
namespace fs = std::filesystem;
namespace {

std::shared_ptr<const data::RowDataset> open_rows(const config::TrainConfig& config, const fs::path& prefix, const char* field) {
  const data::RowOptions options{config.cutoff_len, config.reset_position_ids, config.reset_attention_mask};
  const auto tokens = std::make_shared<data::IndexedDataset>(prefix);
  if (tokens->num_tokens() < 2)
    throw DataError(fmt::format("{}: found {} token, wanted 2 or more: the second is the first's label", field, tokens->num_tokens()));
  return std::make_shared<data::RowDataset>(tokens, options);
}

std::vector<uint64_t> all_rows(const data::RowDataset& rows) { return data::split_rows(rows.num_rows(), 0, 0).train; }

Sources open_pretrain_sources(const config::TrainConfig& config, const hub::ModelFolder& model) {
  const auto prepared = prepare_dataset(config, model, config.dataset, "train");
  const auto rows = open_rows(config, prepared.prefix, "dataset");
  const auto split = split_validation(config, rows->num_rows());
  Sources sources{training_source(rows, split.train, {config.seed, config.shuffle}), {}, split.train.size()};
  if (!config.eval_dataset.empty()) {
    const auto eval_rows = open_rows(config, prepare_dataset(config, model, config.eval_dataset, "eval").prefix, "eval_dataset");
    sources.eval.push_back({"eval_dataset", evaluation_source(eval_rows, all_rows(*eval_rows))});
  } else if (!split.eval.empty()) {
    sources.eval.push_back({"val_size", evaluation_source(rows, split.eval)});
  }
  sources.identity = {{"sha256 of the dataset's tokens", prepared.bin_sha256},
                      {"cutoff_len", config.cutoff_len},
                      {"shuffle", config.shuffle},
                      {"val_size", config.val_size},
                      {"reset_position_ids", config.reset_position_ids},
                      {"reset_attention_mask", config.reset_attention_mask}};
  return sources;
}

void expect_known_ids(const DataSource& rows, const std::string& name, const hub::ModelFolder& model) {
  const int64_t known = model.stated_config().vocab_size;
  for (uint64_t row = 0; row < rows.num_samples; ++row) {
    const auto batch = rows.batch(std::span(&row, 1));
    for (const auto* ids : {&batch.tokens, &batch.labels})
      if (const auto largest = std::max_element(ids->begin(), ids->end()); largest != ids->end() && *largest >= known)
        throw ConfigError(fmt::format("{}: holds the id {} ({}), the model in {} has vocab_size {}; resize_vocab: true gives it more",
                                      name, *largest, in_quotes(model.tokenizer().decode(std::span(&*largest, 1))), model.path().string(), known));
  }
}

/// A tokenizer may have more ids than the model as long as no row has them.
void expect_known_ids(const Sources& sources, const hub::ModelFolder& model) {
  if (model.tokenizer().vocab_size() <= model.stated_config().vocab_size) return;
  expect_known_ids(sources.train, "dataset", model);
  for (const auto& set : sources.eval) expect_known_ids(set.source, set.name, model);
}

}  // namespace

Sources open_sources(const config::TrainConfig& config, const hub::ModelFolder& model) {
  auto sources = config.stage == "sft" ? open_sft_sources(config, model) : open_pretrain_sources(config, model);
  expect_known_ids(sources, model);
  return sources;
}

data::Split split_validation(const config::TrainConfig& config, uint64_t num_rows) {
  const auto rows = static_cast<double>(num_rows);
  const double wanted = std::round(config.val_size < 1 ? config.val_size * rows : config.val_size);
  if (wanted >= rows)
    throw ConfigError(fmt::format("val_size: found {}, which leaves none of {} rows to train on, wanted less", config.val_size, num_rows));
  if (config.val_size > 0 && wanted < 1)
    throw ConfigError(fmt::format("val_size: found {}, which leaves none of {} rows to evaluate with, wanted more, or 0", config.val_size, num_rows));
  return data::split_rows(num_rows, static_cast<uint64_t>(wanted), config.seed);
}

}  // namespace ingot::train
