#pragma once

#include <cctype>
#include <cstdint>
#include <string>

#include "core/json.h"

namespace ingot {

/// Sizes as a table of models states them.
struct PublishedSizes {
  std::string architecture;
  int64_t layers, hidden, heads, kv_heads, ffn, vocabulary;
  bool tied = false;
};

/// The model_type of the architecture: its name without what stands for the class.
inline std::string model_type_of(const std::string& architecture) {
  std::string name;
  for (const char c : architecture.substr(0, architecture.find("LMHead")).substr(0, architecture.find("ForCausalLM")))
    name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name.ends_with("model") ? name.substr(0, name.size() - 5) : name;
}

/// config.json as the family of the architecture writes it.
inline Json published_config(const PublishedSizes& sizes) {
  Json config{{"architectures", {sizes.architecture}}, {"model_type", model_type_of(sizes.architecture)}, {"hidden_size", sizes.hidden},
              {"num_attention_heads", sizes.heads},    {"tie_word_embeddings", sizes.tied}};
  if (sizes.architecture == "ChatGLMModel") {
    config.update({{"num_layers", sizes.layers}, {"ffn_hidden_size", sizes.ffn}, {"padded_vocab_size", sizes.vocabulary},
                   {"kv_channels", sizes.hidden / sizes.heads}, {"multi_query_attention", true},
                   {"multi_query_group_num", sizes.kv_heads}, {"add_qkv_bias", true}});
    return config;
  }
  const int64_t ffn = sizes.architecture == "QWenLMHeadModel" ? 2 * sizes.ffn : sizes.ffn;
  config.update({{"num_hidden_layers", sizes.layers}, {"num_key_value_heads", sizes.kv_heads},
                 {"intermediate_size", ffn}, {"vocab_size", sizes.vocabulary}});
  return config;
}

}  // namespace ingot
