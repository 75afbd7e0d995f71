#include "hub/model_config.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "model/config_reader.h"
#include "model/family.h"

namespace ingot::hub {
namespace fs = std::filesystem;
namespace {

/// A number above 0, or nothing.
std::optional<double> number_of(model::ConfigReader& reader, const char* key) {
  if (!reader.contains(key)) return std::nullopt;
  double value = 1;
  reader.read_not_negative(key, value);
  return value;
}

void add_generation_ends(const fs::path& folder, model::DecoderConfig& config) {
  const auto generation = read_generation_config(folder);
  if (generation.eos_token_ids) config.eos_token_ids = *generation.eos_token_ids;
}

}  // namespace

GenerationConfig read_generation_config(const fs::path& folder) {
  const fs::path file = folder / "generation_config.json";
  GenerationConfig generation;
  if (!fs::exists(file)) return generation;
  const Json json = read_json(file, size_t{16} << 20);
  if (!json.is_object()) throw DataError(fmt::format("{}: found no JSON object, wanted a generation config", file.string()));
  model::ConfigReader reader(json);
  if (reader.contains("eos_token_id")) reader.read("eos_token_id", generation.eos_token_ids.emplace());
  reader.read("do_sample", generation.do_sample);
  generation.temperature = number_of(reader, "temperature");
  generation.top_p = number_of(reader, "top_p");
  generation.repetition_penalty = number_of(reader, "repetition_penalty");
  if (reader.contains("top_k")) reader.read("top_k", generation.top_k.emplace(), 0, model::kMaxLength);
  reader.problems().expect(generation.top_p.value_or(1) > 0 && generation.top_p.value_or(1) <= 1, "top_p", generation.top_p.value_or(1),
                           "more than 0 and at most 1");
  reader.problems().expect(generation.repetition_penalty.value_or(1) > 0, "repetition_penalty", generation.repetition_penalty.value_or(1),
                           "more than 0");
  reader.finish(file.string());
  return generation;
}

model::DecoderConfig read_model_config(const fs::path& folder, const checkpoint::HfWeights& weights) {
  auto config = model::DecoderConfig::from_folder(folder);
  add_generation_ends(folder, config);
  const auto& names = model::find_family(config.model_type)->names;
  const std::string head = names.head + ".weight", embedding = names.embedding + ".weight";
  if (!config.tie_word_embeddings || !weights.contains(head) || !weights.contains(embedding)) return config;
  if (weights.load(head).equal(weights.load(embedding))) return config;
  log_warning(fmt::format("{}: config.json says tie_word_embeddings, but {} has other values than {}: both are kept", folder.string(), head,
                          embedding));
  config.tie_word_embeddings = false;
  return config;
}

model::DecoderConfig read_model_config(const fs::path& folder) {
  bool has_weights = false;
  for (const char* name : {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"})
    has_weights = has_weights || fs::exists(folder / name);
  if (has_weights) return read_model_config(folder, checkpoint::HfWeights(folder));
  auto config = model::DecoderConfig::from_folder(folder);
  add_generation_ends(folder, config);
  return config;
}

std::string stored_name(const std::string& parameter, const model::DecoderConfig& config, const checkpoint::HfWeights& weights) {
  const auto& names = model::find_family(config.model_type)->names;
  const bool head_alone = config.tie_word_embeddings && parameter == names.embedding + ".weight" && !weights.contains(parameter) &&
                          weights.contains(names.head + ".weight");
  return head_alone ? names.head + ".weight" : parameter;
}

}  // namespace ingot::hub
