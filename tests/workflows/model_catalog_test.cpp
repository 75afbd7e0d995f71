#include "workflows/model_catalog.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "model/causal_lm.h"
#include "published_config.h"

namespace ingot::workflows {
namespace {

/// The models whose head is the embedding.
bool is_tied(const std::string& key) {
  return key.starts_with("llama3.2") || key == "qwen2-0.5b" || key == "qwen2-1.5b" || key == "qwen2.5-0.5b";
}

TEST(ModelCatalog, SaysTrainsOfExactlyTheFamiliesThatCanBeBuilt) {
  int trainable = 0;
  for (const auto& entry : model_catalog()) {
    const auto json = published_config({entry.architecture, entry.layers, entry.hidden, entry.heads, entry.kv_heads,
                                        entry.ffn, entry.vocabulary, is_tied(entry.key)});
    if (!is_trainable(entry)) {
      EXPECT_THROW(model::DecoderConfig::from_json(json, entry.key), DataError) << entry.key;
      continue;
    }
    const auto model = model::build_model(model::DecoderConfig::from_json(json, entry.key), at::kBFloat16, "meta");
    EXPECT_EQ(model->parameters.num_elements(), entry.parameters) << entry.key;
    ++trainable;
  }
  EXPECT_EQ(trainable, 32);
}

}  // namespace
}  // namespace ingot::workflows
