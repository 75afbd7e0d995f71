#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "checkpoint/adapter_folder.h"
#include "hub/model_folder.h"

namespace ingot::hub {

struct MergeRequest {
  std::filesystem::path companions;  // where config.json and tokenizer files are taken from; empty: the base
  std::filesystem::path to;          // the folder to write
  std::string dtype = "auto";        // auto: each weight's own
  std::string adapter;               // what messages call the adapter
  int64_t check_tokens = 64;         // of the sample batch; 0 leaves the check out, which holds the model in memory
};

/// Writes the base model with the adapter's additions in its weights: W + scale * B * A in float32, weight by weight, so
/// that memory holds one at a time, in the files and dtypes of the base. Then logs how far its logits on a sample batch are from those of base and adapter,
/// and throws DataError, with nothing written, when that passes a bound: float32, 1e-5 of the largest logit; bfloat16
/// and float16, where the difference is the rounding of the weights, 2% of the logits' root mean square, or 5% for models
/// above 8 GiB in float32, which are compared in bfloat16 arithmetic.
void merge_adapter(const ModelFolder& base, const MergeRequest& request, const checkpoint::Adapter& adapter);

}  // namespace ingot::hub
