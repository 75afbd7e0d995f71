#include "checkpoint/gguf/gguf_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "checkpoint/gguf/rope_factors.h"
#include "core/error.h"
#include "core/printable.h"

namespace ingot::checkpoint {
namespace {

constexpr size_t kTensorsOfALayer = 9;  // at least

const GgufTensor* find_tensor(const GgufFile& file, std::string_view name) {
  const auto& all = file.tensors();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& tensor) { return tensor.name == name; });
  return found == all.end() ? nullptr : &*found;
}

/// The number that a writer meant who stored it as float32: 1e-05, not 9.99999974e-06.
double shortest_float(double stored) {
  const auto narrow = static_cast<float>(stored);
  return static_cast<double>(narrow) == stored ? std::stod(fmt::format("{}", narrow)) : stored;
}

int64_t positive(const GgufKeys& keys, const std::string& key) {
  const int64_t value = keys.integer(key);
  if (value == 0) keys.fail(key, "0, wanted at least 1");
  return value;
}

/// rope_scaling from the keys and the tensor rope_freqs.weight.
Json read_rope_scaling(const GgufFile& file, const GgufKeys& keys, const GgufModel& model) {
  const std::string prefix = model.architecture + ".rope.scaling.";
  const std::string* kind = keys.find_text(prefix + "type");
  const GgufTensor* factors = find_tensor(file, "rope_freqs.weight");
  if (kind && *kind != "none" && *kind != "linear")
    keys.fail(prefix + "type", in_quotes(*kind) + ", wanted none or linear");
  const bool linear = kind && *kind == "linear";
  if (linear && factors) keys.fail(prefix + "type", "linear beside rope_freqs.weight, wanted one of them");
  if (linear) return {{"factor", shortest_float(keys.number(prefix + "factor"))}, {"rope_type", "linear"}};
  if (!factors) return nullptr;
  if (factors->shape != Shape{model.head_dim / 2})
    throw DataError(fmt::format("{}: rope_freqs.weight is {}, wanted [{}]", file.path().string(),
                                to_string(factors->shape), model.head_dim / 2));
  try {
    return rope_scaling_of_factors(file.dequantize(*factors), model.rope_theta);
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", file.path().string(), error.what()));
  }
}

void check_sizes(const GgufFile& file, const GgufKeys& keys, const GgufModel& model) {
  const std::string prefix = model.architecture + ".";
  const auto most_layers = static_cast<int64_t>(file.tensors().size() / kTensorsOfALayer);
  if (model.layers > most_layers)
    keys.fail(prefix + "block_count", fmt::format("{}, but the tensors are enough for {}", model.layers, most_layers));
  if (model.heads % model.kv_heads != 0)
    keys.fail(prefix + "attention.head_count_kv",
              fmt::format("{}, wanted a divisor of {}", model.kv_heads, model.heads));
  const int64_t rotary = keys.find_integer(prefix + "rope.dimension_count").value_or(model.head_dim);
  if (rotary != model.head_dim || model.head_dim % 2 != 0)
    keys.fail(prefix + "rope.dimension_count",
              fmt::format("{}, wanted the head size {}, even", rotary, model.head_dim));
  if (model.architecture == "qwen2" && model.heads * model.head_dim != model.hidden)
    keys.fail(prefix + "attention.key_length",
              fmt::format("{}, wanted {}", model.head_dim, model.hidden / model.heads));
}

}  // namespace

GgufModel read_gguf_model(const GgufFile& file) {
  const GgufKeys keys(file);
  GgufModel model;
  model.architecture = keys.text("general.architecture");
  if (model.architecture != "llama" && model.architecture != "qwen2")
    keys.fail("general.architecture", in_quotes(model.architecture) + ", wanted llama or qwen2");
  const std::string prefix = model.architecture + ".";
  model.layers = positive(keys, prefix + "block_count");
  model.hidden = positive(keys, prefix + "embedding_length");
  model.ffn = positive(keys, prefix + "feed_forward_length");
  model.context = positive(keys, prefix + "context_length");
  model.heads = positive(keys, prefix + "attention.head_count");
  const std::string kv_key = prefix + "attention.head_count_kv", head_key = prefix + "attention.key_length";
  model.kv_heads = keys.contains(kv_key) ? positive(keys, kv_key) : model.heads;
  model.head_dim = keys.contains(head_key) ? positive(keys, head_key) : model.hidden / model.heads;
  model.norm_eps = shortest_float(keys.number(prefix + "attention.layer_norm_rms_epsilon"));
  model.rope_theta = shortest_float(keys.find_number(prefix + "rope.freq_base").value_or(10000));
  const GgufTensor* embedding = find_tensor(file, "token_embd.weight");
  if (!embedding || embedding->shape.size() != 2)
    throw DataError(fmt::format("{}: no tensor token_embd.weight of two dims", file.path().string()));
  model.vocab = embedding->shape[0];
  model.tied = !find_tensor(file, "output.weight");
  check_sizes(file, keys, model);
  model.rope_scaling = read_rope_scaling(file, keys, model);
  return model;
}

std::vector<GgufTensorPlan> plan_gguf_tensors(const GgufModel& model) {
  const int64_t q = model.heads * model.head_dim, kv = model.kv_heads * model.head_dim, hidden = model.hidden;
  const int64_t interleaved = model.architecture == "llama" ? model.head_dim : 0;
  std::vector<GgufTensorPlan> plan{{"token_embd.weight", "model.embed_tokens.weight", {model.vocab, hidden}}};
  for (int64_t layer = 0; layer < model.layers; ++layer) {
    const std::string from = fmt::format("blk.{}.", layer), to = fmt::format("model.layers.{}.", layer);
    const auto add = [&](const char* old_name, const char* new_name, Shape shape, int64_t head_dim = 0) {
      plan.push_back({from + old_name, to + new_name, std::move(shape), head_dim});
    };
    add("attn_q.weight", "self_attn.q_proj.weight", {q, hidden}, interleaved);
    add("attn_k.weight", "self_attn.k_proj.weight", {kv, hidden}, interleaved);
    add("attn_v.weight", "self_attn.v_proj.weight", {kv, hidden});
    add("attn_output.weight", "self_attn.o_proj.weight", {hidden, q});
    if (model.architecture == "qwen2") {
      add("attn_q.bias", "self_attn.q_proj.bias", {q});
      add("attn_k.bias", "self_attn.k_proj.bias", {kv});
      add("attn_v.bias", "self_attn.v_proj.bias", {kv});
    }
    add("ffn_gate.weight", "mlp.gate_proj.weight", {model.ffn, hidden});
    add("ffn_up.weight", "mlp.up_proj.weight", {model.ffn, hidden});
    add("ffn_down.weight", "mlp.down_proj.weight", {hidden, model.ffn});
    add("attn_norm.weight", "input_layernorm.weight", {hidden});
    add("ffn_norm.weight", "post_attention_layernorm.weight", {hidden});
  }
  plan.push_back({"output_norm.weight", "model.norm.weight", {hidden}});
  if (!model.tied) plan.push_back({"output.weight", "lm_head.weight", {model.vocab, hidden}});
  return plan;
}

nlohmann::json hf_config(const GgufModel& model, DType dtype) {
  const bool llama = model.architecture == "llama";
  nlohmann::json config{{"architectures", {llama ? "LlamaForCausalLM" : "Qwen2ForCausalLM"}},
                        {"attention_dropout", 0.0},
                        {"hidden_act", "silu"},
                        {"hidden_size", model.hidden},
                        {"initializer_range", 0.02},
                        {"intermediate_size", model.ffn},
                        {"max_position_embeddings", model.context},
                        {"model_type", model.architecture},
                        {"num_attention_heads", model.heads},
                        {"num_hidden_layers", model.layers},
                        {"num_key_value_heads", model.kv_heads},
                        {"rms_norm_eps", model.norm_eps},
                        {"rope_scaling", model.rope_scaling},
                        {"rope_theta", model.rope_theta},
                        {"tie_word_embeddings", model.tied},
                        {"torch_dtype", config_name(dtype)},
                        {"use_cache", true},
                        {"vocab_size", model.vocab}};
  const nlohmann::json of_llama{
      {"attention_bias", false}, {"head_dim", model.head_dim}, {"mlp_bias", false}, {"pretraining_tp", 1}};
  const nlohmann::json of_qwen2{{"use_sliding_window", false}};
  config.update(llama ? of_llama : of_qwen2);
  return config;
}

}  // namespace ingot::checkpoint
