#include "hub/generation_config.h"

#include <fmt/format.h>

#include "core/error.h"
#include "model/config_reader.h"
#include "model/decoder_config.h"

namespace ingot::hub {
namespace {

constexpr size_t kLongestValue = 60;  // of what a line shows

/// A key of transformers that is not built here, and the value with which it changes nothing, as null and what is empty do.
struct Unbuilt {
  const char* key;
  Json neutral;
};

const std::vector<Unbuilt>& unbuilt() {
  static const std::vector<Unbuilt> keys{
      {"num_beams", 1}, {"num_beam_groups", 1}, {"num_return_sequences", 1}, {"min_length", 0}, {"min_new_tokens", 0}, {"max_time", nullptr},
      {"stop_strings", nullptr}, {"no_repeat_ngram_size", 0}, {"encoder_no_repeat_ngram_size", 0}, {"encoder_repetition_penalty", 1},
      {"bad_words_ids", nullptr}, {"forced_bos_token_id", nullptr}, {"forced_eos_token_id", nullptr}, {"suppress_tokens", nullptr},
      {"begin_suppress_tokens", nullptr}, {"sequence_bias", nullptr}, {"exponential_decay_length_penalty", nullptr}, {"guidance_scale", 1},
      {"penalty_alpha", 0}, {"dola_layers", nullptr}, {"diversity_penalty", 0}, {"constraints", nullptr}, {"force_words_ids", nullptr},
      {"watermarking_config", nullptr}, {"token_healing", false}};
  return keys;
}

/// Those that count where tokens are drawn, and those of a search with beams.
const std::vector<Unbuilt>& unbuilt_in_draws() {
  static const std::vector<Unbuilt> keys{{"min_p", 0}, {"top_h", nullptr}, {"typical_p", 1}, {"epsilon_cutoff", 0}, {"eta_cutoff", 0}};
  return keys;
}
const std::vector<Unbuilt>& unbuilt_in_beams() {
  static const std::vector<Unbuilt> keys{{"length_penalty", 1}, {"early_stopping", false}};
  return keys;
}

void name_unbuilt(const Json& json, const std::vector<Unbuilt>& keys, std::vector<std::string>& named) {
  for (const auto& [key, neutral] : keys)
    if (const Json value = json.value(key, Json()); !value.empty() && value != neutral)
      named.push_back(fmt::format("{} {}", key, value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, kLongestValue)));
}

/// A number that is not negative, or nothing.
std::optional<double> number_of(model::ConfigReader& reader, const char* key) {
  if (!reader.contains(key)) return std::nullopt;
  double value = 1;
  reader.read_not_negative(key, value);
  return value;
}

constexpr const char* kGenerationFile = "generation_config.json";

Json read_file_of(const FolderFiles& folder) {
  const Json json = folder.json(kGenerationFile, size_t{16} << 20);
  if (!json.is_object())
    throw DataError(fmt::format("{}: found no JSON object, wanted a generation config", folder.text(kGenerationFile).source));
  return json;
}

}  // namespace

std::optional<std::vector<int64_t>> read_generation_ends(const FolderFiles& folder) {
  if (!folder.has(kGenerationFile)) return std::nullopt;
  const Json json = read_file_of(folder);
  model::ConfigReader reader(json);
  std::optional<std::vector<int64_t>> ids;
  if (reader.contains("eos_token_id")) reader.read("eos_token_id", ids.emplace());
  reader.finish(folder.text(kGenerationFile).source);
  return ids;
}

GenerationConfig read_generation_config(const FolderFiles& folder) {
  GenerationConfig generation;
  if (!folder.has(kGenerationFile)) return generation;
  const Json json = read_file_of(folder);
  model::ConfigReader reader(json);
  reader.read("do_sample", generation.do_sample);
  generation.temperature = number_of(reader, "temperature");
  generation.top_p = number_of(reader, "top_p");
  generation.repetition_penalty = number_of(reader, "repetition_penalty");
  if (reader.contains("top_k")) reader.read("top_k", generation.top_k.emplace(), 0, model::kMaxLength);
  reader.problems().expect(generation.top_p.value_or(1) <= 1, "top_p", generation.top_p.value_or(1), "at most 1");
  reader.problems().expect(generation.repetition_penalty.value_or(1) > 0, "repetition_penalty", generation.repetition_penalty.value_or(1),
                           "more than 0");
  reader.finish(folder.text(kGenerationFile).source);
  name_unbuilt(json, unbuilt(), generation.left_out);
  if (generation.do_sample) name_unbuilt(json, unbuilt_in_draws(), generation.left_out);
  if (const Json beams = json.value("num_beams", Json()); !beams.empty() && beams != 1) name_unbuilt(json, unbuilt_in_beams(), generation.left_out);
  return generation;
}

}  // namespace ingot::hub
