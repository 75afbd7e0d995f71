#pragma once

#include <filesystem>
#include <optional>

#include "checkpoint/hf_folder.h"
#include "model/decoder_config.h"

namespace ingot::hub {

/// What generation_config.json says; nothing where it is silent. Source: transformers' GenerationConfig.
struct GenerationConfig {
  std::optional<std::vector<int64_t>> eos_token_ids;
  bool do_sample = false;
  std::optional<double> temperature, top_p, repetition_penalty;
  std::optional<int64_t> top_k;
};

/// Throws DataError naming file, key, value found and wanted. A folder without the file says nothing.
GenerationConfig read_generation_config(const std::filesystem::path& folder);

/// The folder's config.json with what its other files decide: answers end at the ids of generation_config.json where it names
/// some, and a head that lies in `weights` with other values than the embedding is not tied to it, whatever
/// tie_word_embeddings says; a line tells so. Source: transformers 5, tie_weights.
model::DecoderConfig read_model_config(const std::filesystem::path& folder, const checkpoint::HfWeights& weights);
model::DecoderConfig read_model_config(const std::filesystem::path& folder);  // opens the weights, where there are some

/// The name under which a tied embedding lies in `weights`: its own, or that of the head when only the head is there.
std::string stored_name(const std::string& parameter, const model::DecoderConfig& config, const checkpoint::HfWeights& weights);

}  // namespace ingot::hub
