#include "data/sft/sft_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "data/sft/sample_origins.h"
#include "data/sft/sft_files.h"
#include "data/shards/batch.h"
#include "data/shards/indexed_layout.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kSamplesLookedAt = 1000;

Json read_ledger(const fs::path& prefix) {
  if (!fs::exists(ledger_path(prefix)))
    throw ConfigError(fmt::format("{}: not there; `ingot preprocess` makes it", ledger_path(prefix).string()));
  return read_json(ledger_path(prefix));
}

/// A text of the ledger, or DataError.
std::string text_at(const SftSet& set, const char* pointer) {
  const Json* value = set.ledger.contains(Json::json_pointer(pointer)) ? &set.ledger.at(Json::json_pointer(pointer)) : nullptr;
  if (!value || !value->is_string()) throw DataError(fmt::format("{}: no text at {}", ledger_path(set.prefix).string(), pointer));
  return value->get<std::string>();
}

std::vector<TokenId> labels(const SftSet& set, const SftSample& sample) {
  return labels_of(sample.ids, sample.loss_mask, set.tokenizer->eos_id());
}

/// True when a label ends an answer.
bool teaches_to_stop(const SftSet& set, const std::vector<TokenId>& labels, const std::vector<TokenId>& stops) {
  const bool by_stop = std::find_first_of(labels.begin(), labels.end(), stops.begin(), stops.end()) != labels.end();
  const auto eos = set.tokenizer->eos_id();
  return by_stop || (eos && std::find(labels.begin(), labels.end(), *eos) != labels.end());
}

std::string stop_warning(const SftSet& set, const std::string& where) {
  return fmt::format("{} no label ends an answer (ids {} of template {}): the model would not learn to stop", where,
                     fmt::join(set.chat->stop_ids(*set.tokenizer), ", "), set.chat->name());
}

}  // namespace

SftSet::SftSet(const fs::path& set_prefix, const fs::path& model)
    : prefix(set_prefix), ledger(read_ledger(set_prefix)),
      tokenizer(load_tokenizer(model.empty() ? fs::path(text_at(*this, "/made_with/model")) : model)),
      chat(make_chat_template(text_at(*this, "/made_with/template"))), samples({set_prefix}) {}

std::string SftSet::source_of(uint64_t sample) const {
  const auto origin = SampleOrigins(prefix, samples.num_samples()).at(sample);
  const auto pointer = fmt::format("/work/inputs/{}/path", origin.file);
  return fmt::format("{}:{}", text_at(*this, pointer.c_str()), origin.row);
}

SftSample SftSet::read(uint64_t sample) const {
  auto found = samples.read(sample);
  expect_ids(*tokenizer, found.ids, bin_path(SftFiles(prefix).tokens).string());
  return found;
}

std::vector<std::string> warnings_of(const SftSet& set) {
  std::vector<std::string> warnings;
  for (const auto& token : set.chat->missing_tokens(*set.tokenizer))
    warnings.push_back(fmt::format("{} of template {} is not one token of this tokenizer", token, set.chat->name()));
  const uint64_t count = set.samples.num_samples(), step = std::max<uint64_t>(1, count / kSamplesLookedAt);
  const auto stops = set.chat->stop_ids(*set.tokenizer);
  uint64_t looked_at = 0, stopping = 0, unlabelled = 0;
  for (uint64_t sample = 0; sample < count; sample += step, ++looked_at) {
    const auto found = labels(set, set.read(sample));
    stopping += teaches_to_stop(set, found, stops);
    unlabelled += std::count(found.begin() + 1, found.end(), kIgnoredLabel) == static_cast<int64_t>(found.size()) - 1;
  }
  if (stopping == 0) warnings.push_back(stop_warning(set, fmt::format("in {} samples looked at", looked_at)));
  if (unlabelled > 0) warnings.push_back(fmt::format("{} of {} samples looked at have no label", unlabelled, looked_at));
  return warnings;
}

std::vector<std::string> warnings_of(const SftSet& set, const SftSample& sample) {
  std::vector<std::string> warnings;
  const auto found = labels(set, sample);
  if (std::all_of(found.begin() + 1, found.end(), [](TokenId label) { return label == kIgnoredLabel; }))
    warnings.push_back("not one token is a label");
  else if (!teaches_to_stop(set, found, set.chat->stop_ids(*set.tokenizer))) warnings.push_back(stop_warning(set, "in this sample"));
  return warnings;
}

}  // namespace ingot::data
