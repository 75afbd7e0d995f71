#include <fmt/format.h>

#include "core/file.h"
#include "core/log.h"
#include "core/sha256.h"
#include "train/prepare_data.h"

namespace ingot::train {
namespace fs = std::filesystem;
namespace {

/// What beside its name decides what a template writes: the file that describes it, and its options.
std::string template_identity(const config::SftConfig& config) {
  std::string identity = config.vendor_labels ? "vendor_labels" : "";
  if (fs::is_regular_file(config.chat_template)) {
    const std::string text = read_file(config.chat_template);
    identity += " " + sha256_hex(std::as_bytes(std::span(text)));
  }
  return identity;
}

data::SftPreprocessOptions sft_options(const config::TrainConfig& config, const hub::ModelDescription& model) {
  const config::SftConfig& sft = config.sft;
  data::SftPreprocessOptions options;
  options.handler_name = sft.handler_name;
  options.map_keys = data::MapKeys(sft.map_keys);
  options.ignore_fields = sft.ignore_fields;
  options.sample = sample_options(config);
  options.max_samples = static_cast<uint64_t>(sft.max_samples);
  options.megatron_instruction_layout = sft.megatron_instruction_layout;
  options.tokenizer_identity = model.tokenizer_identity();
  options.template_identity = template_identity(sft);
  options.model = fs::absolute(config.model_name_or_path).lexically_normal().string();
  options.chat_template = sft.chat_template;
  options.num_workers = static_cast<int>(config.preprocessing_num_workers);
  return options;
}

void report(const std::string& dataset, const data::SftReport& done) {
  std::string more;
  if (done.cut_samples > 0) more += fmt::format(", {} cut by {} tokens", done.cut_samples, done.cut_tokens);
  for (const auto& [reason, count] : done.skipped) more += fmt::format(", {} skipped: {}", count, reason);
  log_info(fmt::format("{}: {} samples of {} records, {} tokens, {} of them labels{}{}", dataset, done.samples, done.records,
                       done.tokens, done.labels, more, done.reused ? " (from an earlier run)" : ""));
  report_unused(dataset, done.unused);
}

}  // namespace

data::SampleOptions sample_options(const config::TrainConfig& config) {
  return {config.cutoff_len, data::truncation_of(config.sft.truncation), config.sft.train_on_prompt, config.sft.mask_history};
}

std::unique_ptr<data::ChatTemplate> open_chat_template(const config::TrainConfig& config) {
  return data::make_chat_template(config.sft.chat_template, {.vendor_labels = config.sft.vendor_labels});
}

std::vector<data::SftReport> prepare_sft(const config::TrainConfig& config, const hub::ModelDescription& model,
                                         const NamedSets& sets, const DataPlace& place, data::JobRank rank) {
  const auto chat = open_chat_template(config);
  auto options = sft_options(config, model);
  options.rank = rank;
  std::vector<data::SftReport> reports;
  for (const auto& path : sets.paths) {
    const std::string name = fmt::format("{}_{}", sets.name, reports.size() + 1);
    options.inputs = {path};
    options.output_prefix = place.written() / name;
    options.found_prefix = place.found() / name;
    reports.push_back(data::preprocess_sft(options, *chat, model.tokenizer()));
    if (rank.rank == 0) report(path, reports.back());
  }
  return reports;
}

}  // namespace ingot::train
