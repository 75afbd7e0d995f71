#include "hub/generation_config.h"

#include <fmt/format.h>

#include "core/error.h"
#include "model/config_reader.h"
#include "model/decoder_config.h"

namespace ingot::hub {
namespace {

/// A number above 0, or nothing.
std::optional<double> number_of(model::ConfigReader& reader, const char* key) {
  if (!reader.contains(key)) return std::nullopt;
  double value = 1;
  reader.read_not_negative(key, value);
  return value;
}

}  // namespace

GenerationConfig read_generation_config(const FolderFiles& folder) {
  constexpr const char* kFile = "generation_config.json";
  GenerationConfig generation;
  if (!folder.has(kFile)) return generation;
  const Json json = folder.json(kFile, size_t{16} << 20);
  const std::string source = folder.text(kFile).source;
  if (!json.is_object()) throw DataError(fmt::format("{}: found no JSON object, wanted a generation config", source));
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
  reader.finish(source);
  return generation;
}

}  // namespace ingot::hub
