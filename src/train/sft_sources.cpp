#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/log.h"
#include "core/sha256.h"
#include "data/sft/mixture.h"
#include "data/sft/sft_dataset.h"
#include "data/shards/sampler.h"
#include "train/prepare_data.h"
#include "train/sources.h"

namespace ingot::train {
namespace {

using Numbers = std::vector<uint64_t>;

Numbers counted_from(uint64_t begin, uint64_t end) {
  Numbers numbers(end - begin);
  std::iota(numbers.begin(), numbers.end(), begin);
  return numbers;
}

std::shared_ptr<const data::SftSamples> open_samples(const std::vector<data::SftReport>& reports) {
  std::vector<std::filesystem::path> prefixes;
  for (const auto& report : reports) prefixes.push_back(report.prefix);
  return std::make_shared<data::SftSamples>(prefixes);
}

/// Those of `samples`, ascending, that belong to one data set.
Numbers of_set(const data::SftSamples& all, const Numbers& samples, uint64_t set) {
  const auto begin = std::lower_bound(samples.begin(), samples.end(), all.start_of(set));
  return {begin, std::lower_bound(begin, samples.end(), all.start_of(set + 1))};
}

/// How often each sample of a data set is used in an epoch.
std::vector<double> weights_of(const config::SftConfig& sft, const std::vector<uint64_t>& sizes) {
  if (sft.mix_strategy == "concat") return sft.dataset_weights.empty() ? std::vector<double>(sizes.size(), 1) : sft.dataset_weights;
  const std::vector<double> even(sizes.size(), 1.0 / static_cast<double>(sizes.size()));
  const auto ends = sft.mix_strategy == "interleave_over" ? data::Interleave::kOver : data::Interleave::kUnder;
  return data::interleave_weights(sizes, sft.interleave_probs.empty() ? even : sft.interleave_probs, ends);
}

/// The samples of an epoch, every data set with its weight: one set behind another, or interleaved.
Numbers mixed(const config::TrainConfig& config, const data::SftSamples& all, const Numbers& samples) {
  std::vector<uint64_t> sizes;
  for (uint64_t set = 0; set < all.num_sets(); ++set) sizes.push_back(of_set(all, samples, set).size());
  const auto weights = weights_of(config.sft, sizes);
  std::vector<Numbers> parts;
  for (uint64_t set = 0; set < all.num_sets(); ++set)
    parts.push_back(data::weighted(of_set(all, samples, set), weights[set], config.seed, set));
  if (config.sft.mix_strategy != "concat") return data::spread(parts);
  Numbers chosen;
  for (const auto& part : parts) chosen.insert(chosen.end(), part.begin(), part.end());
  return chosen;
}

/// One evaluation set for every data set that has a sample among `samples`. They are never packed.
std::vector<EvaluationSet> evaluation_sets(const std::shared_ptr<const data::SftSamples>& all, const Numbers& samples,
                                                  const std::vector<std::string>& names, data::SftRowOptions options) {
  options.packing = false;
  std::vector<EvaluationSet> sets;
  for (uint64_t set = 0; set < all->num_sets(); ++set) {
    const Numbers part = of_set(*all, samples, set);
    if (part.empty()) continue;
    const auto rows = std::make_shared<data::SftDataset>(all, part, options);
    sets.push_back({names[set], evaluation_source(rows, counted_from(0, part.size()))});
  }
  return sets;
}

std::string combined_sha256(const std::vector<data::SftReport>& reports) {
  Sha256 hash;
  for (const auto& report : reports) hash.add(report.sha256.data(), report.sha256.size());
  return hash.hex();
}

}  // namespace

Sources open_sft_sources(const config::TrainConfig& config, const hub::ModelFolder& model) {
  const auto reports = prepare_sft(config, model, config.dataset, "train");
  const auto samples = open_samples(reports);
  const auto split = split_validation(config, samples->num_samples());
  const data::SftRowOptions options{config.cutoff_len, config.sft.packing, model.tokenizer().eos_id()};
  const auto rows = std::make_shared<data::SftDataset>(samples, mixed(config, *samples, split.train), options);
  if (config.sft.packing)
    log_info(fmt::format("{} packs of up to {} tokens, {:.1f}% full", rows->num_rows(), config.cutoff_len, 100 * rows->fill()));
  Sources sources{training_source(rows, counted_from(0, rows->num_rows()), {config.seed, config.shuffle}), {}, rows->num_rows()};
  if (config.eval_dataset.empty()) {
    sources.eval = evaluation_sets(samples, split.eval, config.dataset, options);
  } else {
    const auto others = open_samples(prepare_sft(config, model, config.eval_dataset, "eval"));
    sources.eval = evaluation_sets(others, counted_from(0, others->num_samples()), config.eval_dataset, options);
  }
  sources.identity = {{"stage", config.stage},
                      {"template", config.sft.chat_template},
                      {"sha256 of the dataset's tokens and loss masks", combined_sha256(reports)},
                      {"dataset_weights", config.sft.dataset_weights},
                      {"mix_strategy", config.sft.mix_strategy},
                      {"interleave_probs", config.sft.interleave_probs},
                      {"cutoff_len", config.cutoff_len},
                      {"packing", config.sft.packing},
                      {"shuffle", config.shuffle},
                      {"val_size", config.val_size}};
  return sources;
}

}  // namespace ingot::train
