#include "workflows/model_catalog.h"

#include <gtest/gtest.h>

#include "model/causal_lm.h"

namespace ingot::workflows {
namespace {

TEST(ModelCatalog, SaysTrainsOnlyOfFamiliesThatCanBeBuilt) {
  int trainable = 0;
  for (const auto& entry : model_catalog()) {
    if (!is_trainable(entry)) continue;
    const Json config{{"architectures", {entry.architecture}}, {"model_type", "llama"}, {"vocab_size", entry.vocabulary},
                      {"hidden_size", entry.hidden}, {"num_hidden_layers", entry.layers}, {"num_attention_heads", entry.heads},
                      {"num_key_value_heads", entry.kv_heads}, {"intermediate_size", entry.ffn},
                      {"rms_norm_eps", 1e-5}, {"tie_word_embeddings", std::string(entry.key).starts_with("llama3.2")}};
    const auto model = model::build_model(model::DecoderConfig::from_json(config, entry.key), at::kBFloat16, "meta");
    EXPECT_EQ(model->parameters.num_elements(), entry.parameters) << entry.key;
    ++trainable;
  }
  EXPECT_GE(trainable, 11);
}

}  // namespace
}  // namespace ingot::workflows
