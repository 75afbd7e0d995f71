#include <fmt/format.h>

#include <numeric>

#include "core/log.h"
#include "core/sha256.h"
#include "data/sft/sft_dataset.h"
#include "data/shards/sampler.h"
#include "train/mix_sets.h"
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

/// One evaluation set for every data set that has a sample among `samples`. They are never packed.
std::vector<EvaluationSet> evaluation_sets(const std::shared_ptr<const data::SftSamples>& all, const Numbers& samples,
                                                  const std::vector<std::string>& names, data::SftRowOptions options) {
  options.packing = false;
  const NumberedSets numbered{names, all->starts()};
  std::vector<EvaluationSet> sets;
  for (uint64_t set = 0; set < all->num_sets(); ++set) {
    const Numbers part = numbered.of_set(samples, set);
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

Sources open_sft_sources(const config::TrainConfig& config, const hub::ModelFolder& model, const DataPlace& place) {
  const auto reports = prepare_sft(config, model, {config.dataset, "train"}, place);
  const auto samples = open_samples(reports);
  const auto split = split_validation(config, samples->num_samples());
  const data::SftRowOptions options{config.cutoff_len, config.sft.packing, model.tokenizer().eos_id()};
  const auto rows = std::make_shared<data::SftDataset>(samples, mix_sets(config, {config.dataset, samples->starts()}, split.train), options);
  if (config.sft.packing)
    log_info(fmt::format("{} packs of up to {} tokens, {:.1f}% full", rows->num_rows(), config.cutoff_len, 100 * rows->fill()));
  Sources sources{training_source(rows, counted_from(0, rows->num_rows()), {config.seed, config.shuffle}), {}, rows->num_rows()};
  if (config.eval_dataset.empty()) {
    sources.eval = evaluation_sets(samples, split.eval, config.dataset, options);
    if (!sources.eval.empty()) sources.eval_identity = kHeldOut;
  } else {
    const auto eval_reports = prepare_sft(config, model, {config.eval_dataset, "eval"}, place);
    const auto others = open_samples(eval_reports);
    sources.eval_identity = combined_sha256(eval_reports);
    sources.eval = evaluation_sets(others, counted_from(0, others->num_samples()), config.eval_dataset, options);
  }
  sources.identity = rows_identity(config);
  sources.identity["sha256 of the dataset's tokens and loss masks"] = combined_sha256(reports);
  return sources;
}

}  // namespace ingot::train
