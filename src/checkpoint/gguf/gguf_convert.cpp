#include "checkpoint/gguf/gguf_convert.h"

#include <fmt/format.h>

#include "checkpoint/gguf/gguf_model.h"
#include "checkpoint/gguf/gguf_tokenizer.h"
#include "checkpoint/gguf/gguf_weights.h"
#include "core/error.h"
#include "core/file.h"
#include "core/output_folder.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

/// Adds the ids that a generating program needs.
void add_token_ids(nlohmann::json& config, const GgufVocabulary& vocabulary) {
  if (vocabulary.bos) config["bos_token_id"] = *vocabulary.bos;
  if (vocabulary.eos) config["eos_token_id"] = *vocabulary.eos;
  if (vocabulary.padding) config["pad_token_id"] = *vocabulary.padding;
}

void write_configs(const fs::path& folder, const GgufModel& model, const GgufVocabulary& vocabulary, DType dtype) {
  auto config = hf_config(model, dtype);
  nlohmann::json generation{{"_from_model_config", true}};
  add_token_ids(config, vocabulary);
  add_token_ids(generation, vocabulary);
  write_file(folder / "config.json", config.dump(2) + "\n");
  write_file(folder / "generation_config.json", generation.dump(2) + "\n");
}

void write_tokenizer(const fs::path& folder, const GgufKeys& keys, const GgufVocabulary& vocabulary, int64_t context) {
  if (vocabulary.model == "gpt2") write_file(folder / "tokenizer.json", tokenizer_json(keys, vocabulary));
  else write_file(folder / "tokenizer.model", sentencepiece_model(keys, vocabulary));
  write_file(folder / "tokenizer_config.json", tokenizer_config_json(vocabulary, context));
  write_file(folder / "special_tokens_map.json", special_tokens_map_json(vocabulary));
}

}  // namespace

void convert_gguf(const fs::path& gguf, const fs::path& folder, DType dtype) {
  if (dtype != DType::kF32 && dtype != DType::kBF16 && dtype != DType::kF16)
    throw ConfigError(fmt::format("dtype: found {}, wanted float32, bfloat16 or float16", config_name(dtype)));
  OutputFolder::check(folder, "model");
  const GgufFile file(gguf);
  const GgufKeys keys(file);
  const GgufModel model = read_gguf_model(file);
  const GgufVocabulary vocabulary = read_gguf_vocabulary(keys, model.vocab);
  OutputFolder output(folder, "model");
  write_configs(output.path(), model, vocabulary, dtype);
  write_tokenizer(output.path(), keys, vocabulary, model.context);
  write_gguf_weights(file, plan_gguf_tensors(model), output.path() / "model.safetensors", dtype);
  output.publish();
}

}  // namespace ingot::checkpoint
