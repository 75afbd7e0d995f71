#pragma once

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

/// config.json as the family of the architecture writes it.
inline Json published_config(const PublishedSizes& sizes) {
  return {{"architectures", {sizes.architecture}},     {"num_hidden_layers", sizes.layers},
          {"hidden_size", sizes.hidden},               {"num_attention_heads", sizes.heads},
          {"num_key_value_heads", sizes.kv_heads},     {"intermediate_size", sizes.ffn},
          {"vocab_size", sizes.vocabulary},            {"tie_word_embeddings", sizes.tied},
          {"rms_norm_eps", 1e-5}};
}

}  // namespace ingot
