#include "hub/model_description.h"

#include <fmt/format.h>

#include <utility>

#include "checkpoint/hf_index.h"
#include "core/error.h"
#include "core/log.h"
#include "hub/generation_config.h"
#include "hub/model_files.h"

namespace ingot::hub {

ModelDescription::ModelDescription(std::filesystem::path folder) : files_(std::move(folder)) {
  std::error_code unreadable;  // told by what is read
  if (const auto inner = path() / "model"; !files_.has("config.json") && std::filesystem::exists(inner / "config.json", unreadable))
    throw ConfigError(fmt::format("{}: is the folder of a run, not of a model; wanted {}", path().string(), inner.string()));
}

const model::DecoderConfig& ModelDescription::stated_config() const {
  if (stated_config_) return *stated_config_;
  auto config = model::DecoderConfig::from_folder(files_);
  if (const auto ends = read_generation_ends(files_)) config.eos_token_ids = *ends;
  for (const auto& note : config.notes) log_info(note);
  config.vocab_size = grown_.value_or(config.vocab_size);
  return stated_config_.emplace(std::move(config));
}

const data::Tokenizer& ModelDescription::tokenizer() const {
  if (!tokenizer_) tokenizer_ = data::load_tokenizer(files_);
  return *tokenizer_;
}

const std::string& ModelDescription::tokenizer_identity() const {
  if (tokenizer_identity_.empty()) tokenizer_identity_ = hub::tokenizer_identity(files_);
  return tokenizer_identity_;
}

bool ModelDescription::has_weights() const {
  return files_.has(checkpoint::kHfWeightsFile) || files_.has(checkpoint::kHfIndexFile) || files_.has(checkpoint::kTorchWeightsFile) ||
         files_.has(checkpoint::kTorchIndexFile);
}

}  // namespace ingot::hub
