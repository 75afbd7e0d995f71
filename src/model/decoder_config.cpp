#include "model/decoder_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "model/config_reader.h"
#include "model/family_names.h"

namespace ingot::model {
namespace {

constexpr int64_t kMaxDim = int64_t{1} << 24;  // keeps every product of two sizes and the layers inside 63 bits
constexpr int64_t kMaxLayers = 4096;

std::string supported_names() {
  std::string names;
  for (const auto& family : kFamilies) names += fmt::format("{}{}", names.empty() ? "" : ", ", family.architecture);
  return names;
}

/// The one architecture of the file, or the one that belongs to its model_type.
void read_family(ConfigReader& reader, const Json& json, DecoderConfig& config) {
  config.model_type.clear();
  config.architecture.clear();
  reader.read("model_type", config.model_type);
  const auto listed = json.value("architectures", Json());
  if (listed.is_array() && !listed.empty() && listed[0].is_string()) config.architecture = listed[0].get<std::string>();
  const auto fits = [&](const FamilyName& family) {
    return (config.model_type.empty() || config.model_type == family.model_type) &&
           (config.architecture.empty() || config.architecture == family.architecture);
  };
  const auto family = std::find_if(kFamilies.begin(), kFamilies.end(), fits);
  const bool named = !config.model_type.empty() || !config.architecture.empty();
  reader.problems().expect(named && family != kFamilies.end(), "architectures",
                           config.architecture.empty() ? config.model_type : config.architecture,
                           "one of " + supported_names());
  if (!named || family == kFamilies.end()) return;
  config.model_type = family->model_type;
  config.architecture = family->architecture;
}

void read_sizes(ConfigReader& reader, DecoderConfig& config) {
  for (const auto* key : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"})
    reader.require(key);
  reader.read("vocab_size", config.vocab_size, 1, kMaxDim);
  reader.read("hidden_size", config.hidden_size, 1, kMaxDim);
  reader.read("num_hidden_layers", config.num_layers, 1, kMaxLayers);
  reader.read("num_attention_heads", config.num_heads, 1, kMaxDim);
  reader.read("intermediate_size", config.intermediate_size, 1, kMaxDim);
  reader.read("max_position_embeddings", config.max_position_embeddings, 1, int64_t{1} << 40);
  reader.read("num_key_value_heads", config.num_kv_heads, 1, kMaxDim);
  reader.read("head_dim", config.head_dim, 1, kMaxDim);
}

/// Fills num_kv_heads and head_dim where the file leaves them out, and checks that heads fit together.
void settle_heads(ConfigReader& reader, DecoderConfig& config) {
  if (config.num_heads < 1) return;
  if (config.num_kv_heads == 0) config.num_kv_heads = config.num_heads;
  reader.problems().expect(config.num_heads % config.num_kv_heads == 0, "num_key_value_heads", config.num_kv_heads,
                           fmt::format("a divisor of num_attention_heads = {}", config.num_heads));
  if (config.head_dim == 0) {
    reader.problems().expect(config.hidden_size % config.num_heads == 0, "num_attention_heads", config.num_heads,
                             fmt::format("a divisor of hidden_size = {}, or head_dim given", config.hidden_size));
    config.head_dim = config.hidden_size / config.num_heads;
  }
  reader.problems().expect(config.head_dim > 0 && config.head_dim % 2 == 0, "head_dim", config.head_dim,
                           "an even number");
  reader.problems().expect(config.num_heads * config.head_dim <= kMaxDim, "head_dim", config.head_dim,
                           fmt::format("head_dim * num_attention_heads at most {}", kMaxDim));
}

/// The object that holds the scaling, in either spelling. transformers 5 keeps rope_theta in it too.
void read_rope(ConfigReader& reader, DecoderConfig& config) {
  reader.read("rope_theta", config.rope_theta);
  const std::string key = reader.contains("rope_parameters") ? "rope_parameters" : "rope_scaling";
  const auto* json = reader.object(key);
  if (json == nullptr) return;
  ConfigReader part(*json, key + ".");
  auto& scaling = config.rope_scaling;
  part.read("type", scaling.kind);
  part.read("rope_type", scaling.kind);
  part.read("rope_theta", config.rope_theta);
  part.problems().expect(scaling.kind == "default" || scaling.kind == "linear" || scaling.kind == "llama3",
                         key + ".rope_type", scaling.kind, "default, linear or llama3");
  if (scaling.kind != "default") part.require("factor");
  if (scaling.kind == "llama3")
    for (const auto* name : {"low_freq_factor", "high_freq_factor", "original_max_position_embeddings"})
      part.require(name);
  part.read("factor", scaling.factor);
  part.read("low_freq_factor", scaling.low_freq_factor);
  part.read("high_freq_factor", scaling.high_freq_factor);
  part.read("original_max_position_embeddings", scaling.original_max_position_embeddings);
  part.problems().expect(scaling.kind != "llama3" || scaling.high_freq_factor > scaling.low_freq_factor,
                         key + ".high_freq_factor", scaling.high_freq_factor, "more than low_freq_factor");
  double partial = 1;
  part.read("partial_rotary_factor", partial);
  part.problems().expect(partial == 1, key + ".partial_rotary_factor", partial, "1");
  reader.add_problems_of(part);
}

/// What would change the model's results and is not built here.
void refuse_unsupported(ConfigReader& reader, const Json& json, const DecoderConfig& config) {
  auto& problems = reader.problems();
  std::string activation = "silu";
  reader.read("hidden_act", activation);
  problems.expect(activation == "silu", "hidden_act", activation, "silu");
  const bool windowed = config.model_type == "mistral" && reader.contains("sliding_window");
  problems.expect(!windowed, "sliding_window", "a window", "null: windowed attention is not supported");
  problems.expect(!reader.contains("quantization_config"), "quantization_config", "an object",
                  "none: quantized weights are not supported");
  const auto dropout = json.value("attention_dropout", Json(0));
  problems.expect(dropout.is_null() || dropout == 0, "attention_dropout", dropout.dump(), "0");
  const auto kinds = reader.contains("layer_types") ? json["layer_types"] : Json::array();
  const bool full = std::all_of(kinds.begin(), kinds.end(), [](const Json& kind) { return kind == "full_attention"; });
  problems.expect(full, "layer_types", "other kinds of attention", "full_attention in every layer");
}

void read_switches(ConfigReader& reader, DecoderConfig& config) {
  reader.read("rms_norm_eps", config.rms_norm_eps);
  reader.read("initializer_range", config.initializer_range);
  reader.read("tie_word_embeddings", config.tie_word_embeddings);
  if (config.model_type == "llama") {  // transformers' Mistral has no biases and does not read these
    reader.read("attention_bias", config.attention_bias);
    reader.read("mlp_bias", config.mlp_bias);
  }
}

void read_tokens_and_dtype(ConfigReader& reader, DecoderConfig& config) {
  std::vector<int64_t> bos;
  reader.read("bos_token_id", bos);
  if (!bos.empty()) config.bos_token_id = bos.front();
  reader.read("eos_token_id", config.eos_token_ids);
  std::string name = "float32";
  reader.read("torch_dtype", name);
  reader.read("dtype", name);
  const auto dtype = dtype_from_config(name.starts_with("torch.") ? name.substr(6) : name);
  reader.problems().expect(dtype.has_value(), "dtype", name, "a dtype such as bfloat16");
  config.dtype = dtype.value_or(DType::kF32);
}

/// Llama 3.1's frequency of one pair. Source: MODELS §1.2.
double llama3_frequency(double frequency, const RopeScaling& scaling) {
  const double wavelength = 2 * std::numbers::pi / frequency, old = scaling.original_max_position_embeddings;
  if (wavelength < old / scaling.high_freq_factor) return frequency;
  if (wavelength > old / scaling.low_freq_factor) return frequency / scaling.factor;
  const double low = scaling.low_freq_factor, share = (old / wavelength - low) / (scaling.high_freq_factor - low);
  return (1 - share) * frequency / scaling.factor + share * frequency;
}

}  // namespace

DecoderConfig DecoderConfig::from_json(const Json& json, const std::string& source) {
  if (!json.is_object()) throw DataError(source + ": found no JSON object, wanted a Hugging Face config");
  DecoderConfig config;
  ConfigReader reader(json);
  read_family(reader, json, config);
  read_sizes(reader, config);
  settle_heads(reader, config);
  read_rope(reader, config);
  read_switches(reader, config);
  read_tokens_and_dtype(reader, config);
  refuse_unsupported(reader, json, config);
  reader.finish(source);
  return config;
}

DecoderConfig DecoderConfig::from_folder(const std::filesystem::path& folder) {
  const auto file = folder / "config.json";
  return from_json(read_json(file, size_t{16} << 20), file.string());
}

std::vector<double> DecoderConfig::inverse_frequencies() const {
  std::vector<double> frequencies(static_cast<size_t>(head_dim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double plain = std::pow(rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    frequencies[i] = rope_scaling.kind == "linear"   ? plain / rope_scaling.factor
                     : rope_scaling.kind == "llama3" ? llama3_frequency(plain, rope_scaling)
                                                     : plain;
  }
  return frequencies;
}

}  // namespace ingot::model
