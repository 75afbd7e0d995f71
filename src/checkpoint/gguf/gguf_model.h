#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/gguf/gguf_keys.h"
#include "core/dtype.h"
#include "core/json.h"
#include "core/shape.h"

namespace ingot::checkpoint {

/// Sizes of a GGUF model of architecture llama or qwen2.
struct GgufModel {
  std::string architecture;
  int64_t layers = 0, hidden = 0, ffn = 0, heads = 0, kv_heads = 0, head_dim = 0, context = 0, vocab = 0;
  double norm_eps = 0, rope_theta = 0;
  Json rope_scaling;  // null, or the object of a Hugging Face config
  bool tied = false;  // no output.weight in the file
};

/// Reads and checks the sizes. Throws DataError naming the key and the value.
GgufModel read_gguf_model(const GgufFile& file);

/// One tensor's way from a GGUF file into a Hugging Face folder.
struct GgufTensorPlan {
  std::string from, to;
  Shape shape;
  int64_t interleaved_head_dim = 0;  // of q and k of llama, whose rows (head, i, half) become (head, half, i); else 0
};

/// Every tensor of such a model; the file holds exactly these (and a rope_freqs.weight that the config expresses).
std::vector<GgufTensorPlan> plan_gguf_tensors(const GgufModel& model);

/// config.json as transformers 4 writes it, without the token ids.
nlohmann::json hf_config(const GgufModel& model, DType dtype);

}  // namespace ingot::checkpoint
