#pragma once

#include <filesystem>
#include <string>

namespace ingot::workflows {

struct ConvertRequest {
  std::filesystem::path from, to;
  std::filesystem::path adapter;   // to merge into the model folder `from`; empty: `from` is a GGUF file
  std::string dtype;               // empty: float32 of GGUF, which keeps every value exactly; each weight's own of a merge
  int64_t check_tokens = 64;       // of a merge; see MergeRequest
};

/// A GGUF file to a Hugging Face folder, or a model folder and an adapter to a merged one. Returns the exit code.
int convert(const ConvertRequest& request);

}  // namespace ingot::workflows
