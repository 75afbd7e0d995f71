#include "train/sources.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/printable.h"
#include "data/shards/row_dataset.h"
#include "data/shards/sampler.h"
#include "train/mix_sets.h"
#include "train/prepare_data.h"

namespace ingot::train {
namespace fs = std::filesystem;
namespace {

void expect_label(uint64_t num_tokens, const std::string& name) {
  if (num_tokens < 2)
    throw DataError(fmt::format("{}: found {} token, wanted 2 or more: the second is the first's label", name, num_tokens));
}

/// Rows of the data sets named, or, under one name, of all as one stream.
std::shared_ptr<const data::RowDataset> open_rows(const config::TrainConfig& config, const data::PreprocessReport& prepared,
                                                  const std::vector<std::string>& names) {
  const data::RowOptions options{config.cutoff_len, config.reset_position_ids, config.reset_attention_mask};
  const auto tokens = std::make_shared<data::IndexedDataset>(prepared.prefix);
  const auto ends = names.size() > 1 ? data::ends_of_sets(*tokens, prepared.documents_of_sets) : std::vector{tokens->num_tokens()};
  for (size_t set = 0; set < ends.size(); ++set) expect_label(ends[set] - (set == 0 ? 0 : ends[set - 1]), names[set]);
  return std::make_shared<data::RowDataset>(tokens, options, ends);
}

std::vector<uint64_t> all_rows(const data::RowDataset& rows) { return data::split_rows(rows.num_rows(), 0, 0).train; }

Sources open_pretrain_sources(const config::TrainConfig& config, const hub::ModelFolder& model, const DataPlace& place) {
  const auto prepared = prepare_dataset(config, model, {config.dataset, "train"}, place);
  const auto names = config.mix.is_plain() ? std::vector<std::string>{"dataset"} : config.dataset;  // plain: rows cross their borders
  const auto rows = open_rows(config, prepared, names);
  const auto split = split_validation(config, rows->num_rows());
  const auto chosen = mix_sets(config, {names, rows->cuts().first_rows()}, split.train);
  Sources sources{training_source(rows, chosen, {config.seed, config.shuffle}), {}, chosen.size()};
  if (!config.eval_dataset.empty()) {
    const auto eval_prepared = prepare_dataset(config, model, {config.eval_dataset, "eval"}, place);
    const auto eval_rows = open_rows(config, eval_prepared, {"eval_dataset"});
    sources.eval_identity = eval_prepared.bin_sha256;
    sources.eval.push_back({"eval_dataset", evaluation_source(eval_rows, all_rows(*eval_rows))});
  } else if (!split.eval.empty()) {
    sources.eval.push_back({"val_size", evaluation_source(rows, split.eval)});
    sources.eval_identity = kHeldOut;
  }
  sources.identity = rows_identity(config);
  sources.identity["sha256 of the dataset's tokens"] = prepared.bin_sha256;
  if (!config.mix.is_plain()) sources.identity["documents of each data set"] = prepared.documents_of_sets;
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

Json rows_identity(const config::TrainConfig& config) {
  Json identity{{"cutoff_len", config.cutoff_len}, {"shuffle", config.shuffle}, {"val_size", config.val_size}};
  identity.update(mix_identity(config.mix));
  if (config.stage == "sft")
    identity.update({{"stage", config.stage}, {"template", config.sft.chat_template}, {"packing", config.sft.packing}});
  else
    identity.update({{"reset_position_ids", config.reset_position_ids}, {"reset_attention_mask", config.reset_attention_mask}});
  return identity;
}

Sources open_sources(const config::TrainConfig& config, const hub::ModelFolder& model, const DataPlace& place) {
  auto sources = config.stage == "sft" ? open_sft_sources(config, model, place) : open_pretrain_sources(config, model, place);
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
