#include "model/decoder_config.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/printable.h"
#include "model/config_reader.h"
#include "model/family.h"

namespace ingot::model {
namespace {

constexpr int64_t kMaxDim = int64_t{1} << 24;  // keeps every product of two sizes and the layers inside 63 bits
constexpr int64_t kMaxLayers = 4096;

std::string supported_names() {
  std::string names;
  for (const auto& family : families()) names += fmt::format("{}{}", names.empty() ? "" : ", ", family.architectures[0]);
  return names;
}

/// The class after the module's name in "modeling_x.Class", which files of models with code of their own carry.
std::string class_in_auto_map(const Json& json) {
  const auto map = json.value("auto_map", Json());
  for (const auto* key : {"AutoModelForCausalLM", "AutoModel"})
    if (map.is_object() && map.contains(key) && map[key].is_string()) {
      const auto name = map[key].get<std::string>();
      return name.substr(name.rfind('.') + 1);
    }
  return {};
}

std::string architecture_of(const Json& json) {
  const auto listed = json.value("architectures", Json());
  return listed.is_array() && !listed.empty() && listed[0].is_string() ? listed[0].get<std::string>()
                                                                         : class_in_auto_map(json);
}

/// The family that the file names by its class, its model_type or both. Throws DataError when there is none.
const Family& read_family(const Json& json, DecoderConfig& config, const std::string& source) {
  ConfigReader reader(json);
  std::string model_type;
  reader.read("model_type", model_type);
  const std::string architecture = architecture_of(json);
  const auto fits = [&](const Family& family) {
    const auto& classes = family.architectures;
    return (model_type.empty() || model_type == family.model_type) &&
           (architecture.empty() || std::find(classes.begin(), classes.end(), architecture) != classes.end());
  };
  const auto family = std::find_if(families().begin(), families().end(), fits);
  const bool known = family != families().end() && !(model_type.empty() && architecture.empty());
  reader.problems().expect(known, "architectures", architecture.empty() ? model_type : architecture,
                           "one of " + supported_names());
  const auto map = json.value("auto_map", Json());
  reader.problems().expect(!known || !model_type.empty() || (map.is_object() && !map.empty()), "model_type", "nothing",
                           fmt::format("{}, as {} says: transformers does not open a model without it", known ? family->model_type : "", architecture));
  reader.finish(source);
  config.model_type = family->model_type;
  config.architecture = architecture.empty() ? family->architectures[0] : architecture;
  return *family;
}

void read_size(ConfigReader& reader, const KeyNames& names, int64_t& value, int64_t max) {
  if (!names.empty()) reader.read(reader.first_of(names), value, 1, max);
}

void read_sizes(ConfigReader& reader, const ConfigKeys& keys, DecoderConfig& config) {
  struct Size {
    const KeyNames& names;
    int64_t& value;
    int64_t max;
  };
  for (const Size& size : {Size{keys.vocab, config.vocab_size, kMaxDim}, {keys.hidden, config.hidden_size, kMaxDim},
                           {keys.layers, config.num_layers, kMaxLayers}, {keys.heads, config.num_heads, kMaxDim},
                           {keys.ffn, config.intermediate_size, kMaxDim}}) {
    if (size.value == 0) reader.require(reader.first_of(size.names));  // the family has no default
    read_size(reader, size.names, size.value, size.max);
  }
  read_size(reader, keys.length, config.max_position_embeddings, kMaxLength);
  for (const auto& [names, value] : {std::pair{&keys.kv_heads, &config.num_kv_heads}, {&keys.head_dim, &config.head_dim}}) {
    if (!names->empty() && reader.states_null(*names)) *value = 0;  // it follows from the other sizes
    read_size(reader, *names, *value, kMaxDim);
  }
  reader.read(reader.first_of(keys.eps), config.rms_norm_eps);
  if (!keys.rope_base.empty()) reader.read(reader.first_of(keys.rope_base), config.rope_theta);
}

/// Fills num_kv_heads and head_dim where the file leaves them out, and checks that heads fit together.
void settle_heads(ConfigReader& reader, const ConfigKeys& keys, DecoderConfig& config) {
  if (config.num_heads < 1) return;
  auto& problems = reader.problems();
  const auto heads = reader.first_of(keys.heads), dim = keys.head_dim.empty() ? heads : reader.first_of(keys.head_dim);
  if (config.num_kv_heads == 0) config.num_kv_heads = config.num_heads;
  problems.expect(config.num_heads % config.num_kv_heads == 0,
                  keys.kv_heads.empty() ? heads : reader.first_of(keys.kv_heads), config.num_kv_heads,
                  fmt::format("a divisor of {} = {}", heads, config.num_heads));
  if (config.head_dim == 0) {
    problems.expect(config.hidden_size % config.num_heads == 0, heads, config.num_heads,
                    fmt::format("a divisor of {} = {}, or {} given", reader.first_of(keys.hidden), config.hidden_size, dim));
    config.head_dim = config.hidden_size / config.num_heads;
  }
  problems.expect(config.head_dim > 0 && config.head_dim % 2 == 0, dim, config.head_dim, "an even number");
  problems.expect(config.num_heads * config.head_dim <= kMaxDim, dim, config.head_dim,
                  fmt::format("{} * {} at most {}", dim, heads, kMaxDim));
}

/// The object that holds the scaling and its key, in either spelling; of both, rope_scaling counts, as in transformers, when
/// it says anything.
struct ScalingObject {
  std::string key;
  const Json* json;  // null where the file has none
};
ScalingObject scaling_object(ConfigReader& reader, DecoderConfig& config, const std::string& source) {
  const auto* older = reader.object("rope_scaling");
  const auto* newer = reader.object("rope_parameters");
  const bool both = older != nullptr && newer != nullptr && !older->empty();
  if (both && *older != *newer)
    config.notes.push_back(fmt::format("{}: states rope_scaling {} and rope_parameters {}: the first counts, as in transformers", source,
                                       older->dump(), newer->dump()));
  return both || newer == nullptr ? ScalingObject{"rope_scaling", older} : ScalingObject{"rope_parameters", newer};
}

void read_rope_numbers(ConfigReader& part, RopeScaling& scaling) {
  for (const auto& [name, value] :
       {std::pair{"factor", &scaling.factor}, {"low_freq_factor", &scaling.low_freq_factor}, {"high_freq_factor", &scaling.high_freq_factor},
        {"original_max_position_embeddings", &scaling.original_max_position_embeddings}, {"beta_fast", &scaling.beta_fast},
        {"beta_slow", &scaling.beta_slow}})
    part.read(name, *value);
  for (const auto& [name, value] : {std::pair{"attention_factor", &scaling.attention_factor}, {"mscale", &scaling.mscale},
                                    {"mscale_all_dim", &scaling.mscale_all_dim}})
    part.read_not_negative(name, *value);
  if (part.states_null({"truncate"})) scaling.truncate = false;
  part.read("truncate", scaling.truncate);
}

/// partial_rotary_factor beside the scaling and in it, which counts first; null states 1. Most families do not know it.
void read_rotary_share(ConfigReader& reader, ConfigReader& scaling, const Family& family, DecoderConfig& config, const std::string& source) {
  constexpr const char* kShare = "partial_rotary_factor";
  double share = reader.states_null({kShare}) ? 1 : config.partial_rotary_factor;
  reader.read(kShare, share);
  scaling.read(kShare, share);
  if (!family.partial_rotary && share != config.partial_rotary_factor)
    config.notes.push_back(fmt::format("{}: states {} {}, which models of the family {} do not know: it changes nothing", source, kShare, share,
                                       config.model_type));
  if (family.partial_rotary) config.partial_rotary_factor = share;
}

void read_rope(ConfigReader& reader, const Family& family, DecoderConfig& config, const std::string& source) {
  static const Json nothing = Json::object();
  const auto [key, json] = scaling_object(reader, config, source);
  ConfigReader part(json == nullptr ? nothing : *json, key + ".");
  read_rotary_share(reader, part, family, config, source);
  if (json == nullptr) return;
  for (const auto& [name, value] : json->items())
    if (value.is_object()) part.problems().expect(false, key + "." + name, "an object", "one rope for all layers");
  auto& scaling = config.rope_scaling;
  part.read("type", scaling.kind);
  part.read("rope_type", scaling.kind);
  part.read("rope_theta", config.rope_theta);
  static const std::set<std::string> kKinds{"default", "linear", "dynamic", "yarn", "llama3"};
  part.problems().expect(kKinds.contains(scaling.kind), key + ".rope_type", scaling.kind, fmt::format("one of {}", fmt::join(kKinds, ", ")));
  if (scaling.kind == "yarn" && !part.contains("factor") && part.contains("original_max_position_embeddings")) {
    part.read("original_max_position_embeddings", scaling.original_max_position_embeddings);
    scaling.factor = static_cast<double>(config.max_position_embeddings) / scaling.original_max_position_embeddings;
  } else if (scaling.kind != "default") {
    part.require("factor");
  }
  if (scaling.kind == "llama3")
    for (const auto* name : {"low_freq_factor", "high_freq_factor"}) part.require(name);
  scaling.original_max_position_embeddings = static_cast<double>(config.max_position_embeddings);
  read_rope_numbers(part, scaling);
  reader.read("original_max_position_embeddings", scaling.original_max_position_embeddings);  // of both, as in transformers
  part.problems().expect(scaling.kind != "llama3" || scaling.high_freq_factor > scaling.low_freq_factor,
                         key + ".high_freq_factor", scaling.high_freq_factor, "more than low_freq_factor");
  reader.add_problems_of(part);
}

/// Which layers have the window, where the file says so of each.
void read_layer_types(const Json& json, DecoderConfig& config) {
  const auto kinds = json.value("layer_types", Json());
  if (!kinds.is_array()) return;
  config.windowed_layers.clear();
  for (const auto& kind : kinds) config.windowed_layers.push_back(kind == "sliding_attention");
  config.windowed_layers.resize(static_cast<size_t>(config.num_layers));
}

/// Kinds of attention in layer_types that are not those that the family has.
bool has_other_attention(const Json& kinds, const DecoderConfig& config) {
  if (!kinds.is_array() || kinds.size() != static_cast<size_t>(config.num_layers)) return true;
  for (int64_t layer = 0; layer < config.num_layers; ++layer)
    if (kinds[static_cast<size_t>(layer)] != (config.window_of(layer) > 0 ? "sliding_attention" : "full_attention"))
      return true;
  return false;
}

/// What would change the model's results and is not built here.
void refuse_unsupported(ConfigReader& reader, const Json& json, const DecoderConfig& config) {
  auto& problems = reader.problems();
  std::string activation = "silu";
  reader.read("hidden_act", activation);
  problems.expect(activation == "silu" || activation == "swish", "hidden_act", activation, "silu");
  const auto rotary = config.rotary_dim();
  problems.expect(config.alibi || (config.partial_rotary_factor <= 1 && rotary > 0 && rotary % 2 == 0),
                  "partial_rotary_factor", config.partial_rotary_factor, "a share of head_dim that is an even number");
  problems.expect(!reader.contains("quantization_config"), "quantization_config", "an object",
                  "none: quantized weights are not supported");
  const auto dropout = json.value("attention_dropout", Json(0));
  problems.expect(dropout.is_null() || dropout == 0, "attention_dropout", dropout.dump(), "0");
  problems.expect(!reader.contains("layer_types") || !has_other_attention(json["layer_types"], config), "layer_types",
                  "other kinds of attention", "full_attention in every layer, or sliding_attention where a window is set");
}

void read_switches(ConfigReader& reader, DecoderConfig& config) {
  reader.read("initializer_range", config.initializer_range);
  reader.read("tie_word_embeddings", config.tie_word_embeddings);
}

/// Of dtype and torch_dtype the first counts, as in transformers 5.
void read_dtype(ConfigReader& reader, DecoderConfig& config, const std::string& source) {
  std::string older = "float32";
  reader.read("torch_dtype", older);
  std::string name = older;
  reader.read("dtype", name);
  if (name != older && reader.contains("torch_dtype"))
    config.notes.push_back(fmt::format("{}: states dtype {} and torch_dtype {}: the first counts, as in transformers", source,
                                       in_quotes(name), in_quotes(older)));
  name = name.starts_with("torch.") ? name.substr(6) : name;
  const bool is_plain = name == "auto" || name == "float";
  const auto dtype = dtype_from_config(is_plain ? "float32" : name == "half" ? "float16" : name);
  reader.problems().expect(dtype.has_value(), reader.first_of({"dtype", "torch_dtype"}), name, "a dtype such as bfloat16");
  config.dtype = dtype.value_or(DType::kF32);
}

void read_tokens(ConfigReader& reader, DecoderConfig& config) {
  std::vector<int64_t> bos;
  if (reader.states_null({"bos_token_id"})) config.bos_token_id.reset();
  if (reader.states_null({"eos_token_id"})) config.eos_token_ids.clear();
  reader.read("bos_token_id", bos);
  if (!bos.empty()) config.bos_token_id = bos.front();
  else if (reader.contains("bos_token_id")) config.bos_token_id.reset();
  reader.read("eos_token_id", config.eos_token_ids);
}

}  // namespace

DecoderConfig DecoderConfig::from_json(const Json& json, const std::string& source) {
  if (!json.is_object()) throw DataError(source + ": found no JSON object, wanted a Hugging Face config");
  DecoderConfig config;
  const Family& family = read_family(json, config, source);
  ConfigReader reader(json);
  if (family.defaults != nullptr) family.defaults(config);
  read_sizes(reader, family.keys, config);
  if (family.read_kv_heads != nullptr) family.read_kv_heads(reader, config);
  settle_heads(reader, family.keys, config);
  read_rope(reader, family, config, source);
  read_switches(reader, config);
  read_tokens(reader, config);
  family.read(reader, config);
  if (family.layer_types) read_layer_types(json, config);
  read_dtype(reader, config, source);
  refuse_unsupported(reader, json, config);
  reader.finish(source);
  return config;
}

DecoderConfig DecoderConfig::from_folder(const FolderFiles& folder) {
  return from_json(folder.json("config.json", size_t{16} << 20), folder.text("config.json").source);
}

double DecoderConfig::head_in_layers() const {
  const int64_t attention = 2 * (num_heads + num_kv_heads) * head_dim, mlp = 3 * intermediate_size * (num_experts > 0 ? experts_per_token : 1);
  return static_cast<double>(vocab_size) / static_cast<double>(attention + mlp);  // of each times hidden_size
}

int64_t DecoderConfig::rotary_dim() const {
  return alibi ? 0 : static_cast<int64_t>(static_cast<double>(head_dim) * std::min(1.0, partial_rotary_factor));
}

int64_t DecoderConfig::window_of(int64_t layer) const {
  return windowed_layers.empty() || windowed_layers.at(static_cast<size_t>(layer)) ? sliding_window : 0;
}

std::vector<double> DecoderConfig::alibi_slopes() const {
  std::vector<double> slopes;
  if (!alibi) return slopes;
  const auto whole = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(num_heads)));
  for (int64_t head = 0; head < num_heads; ++head) {
    const bool regular = head < whole;  // heads past a power of two take every other slope of twice as many heads
    const int64_t step = regular ? head + 1 : 2 * (head - whole) + 1, of = regular ? whole : 2 * whole;
    slopes.push_back(std::exp2(-8.0 * static_cast<double>(step) / static_cast<double>(of)));
  }
  return slopes;
}

}  // namespace ingot::model
