#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ingot::model {

class ConfigReader;
struct DecoderConfig;

/// What a size may be called in config.json; the first name that is there counts. No name: the size follows from others.
using KeyNames = std::vector<std::string>;

/// A family's names for the sizes of the block; Llama's where it does not say otherwise. Source: MODELS §1.3.
struct ConfigKeys {
  KeyNames vocab{"vocab_size"}, hidden{"hidden_size"}, layers{"num_hidden_layers"}, heads{"num_attention_heads"};
  KeyNames kv_heads{"num_key_value_heads"}, head_dim{"head_dim"}, ffn{"intermediate_size"};
  KeyNames length{"max_position_embeddings"}, eps{"rms_norm_eps"}, rope_base{"rope_theta"};
};

/// A family's names for the modules of the block; Llama's where it does not say otherwise. Source: MODELS §2.
struct DecoderNames {
  std::string embedding = "model.embed_tokens", layers = "model.layers", final_norm = "model.norm", head = "lm_head";
  // Inside "LAYERS.N."
  std::string attention_norm = "input_layernorm", attention = "self_attn";
  std::string mlp_norm = "post_attention_layernorm", mlp = "mlp";
  // Inside the attention and the MLP. One name for several maps: one matrix, their rows one after another.
  std::vector<std::string> qkv{"q_proj", "k_proj", "v_proj"};
  std::string attention_out = "o_proj";
  std::vector<std::string> gate_up{"gate_proj", "up_proj"};
  std::string down = "down_proj";
};

/// What is particular to one family of models. Everything else is the block of decoder_layer.h.
struct Family {
  std::string_view model_type;
  std::vector<std::string_view> architectures;  // classes that config.json may name; the first is the usual one
  /// Reads the family's own keys and sets its switches, when the sizes are known.
  void (*read)(ConfigReader& reader, DecoderConfig& config);
  /// Reads num_kv_heads where that takes more than a key; it is num_heads when left at 0.
  void (*read_kv_heads)(ConfigReader& reader, DecoderConfig& config) = nullptr;
  /// What a config.json that leaves keys out means: the defaults of the family's class in transformers, or of its own code.
  /// A size that stays 0 has to be stated.
  void (*defaults)(DecoderConfig& config);
  bool partial_rotary = false;  // knows partial_rotary_factor
  bool layer_types = false;     // knows a kind of attention for each layer
  ConfigKeys keys = {};
  DecoderNames names = {};
};

/// All families, in the order in which messages name them.
const std::vector<Family>& families();

/// The family of a model_type; null when there is none.
const Family* find_family(std::string_view model_type);

/// Names of the weights of the embedding and of the head, which are one parameter when they are tied.
struct EndNames {
  std::string embedding, head;
};
EndNames end_names(const DecoderConfig& config);

// One a file, llama.cpp ...
Family llama_family();
Family mistral_family();
Family mixtral_family();
Family qwen2_family();
Family qwen_family();
Family chatglm_family();
Family glm_family();
Family baichuan_family();

}  // namespace ingot::model
