#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>

namespace ingot::workflows {

struct EvaluateRequest {
  std::filesystem::path adapter;     // a LoRA adapter folder to add; empty: none
  std::filesystem::path model;       // a Hugging Face folder
  std::filesystem::path data;        // raw text, or a JSONL of {"input_ids": [...]}
  std::string column = "text";
  std::string precision = "fp32";    // auto, bf16, fp32
  int64_t seq_length = 1024;         // window over raw text
  bool json = false;
};

/// Mean loss in nat per token, perplexity and number of scored tokens. Returns the exit code.
int evaluate(const EvaluateRequest& request, std::ostream& out);

}  // namespace ingot::workflows
