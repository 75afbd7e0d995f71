#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>

namespace ingot::workflows {

struct GenerateRequest {
  std::filesystem::path adapter;     // a LoRA adapter folder to add; empty: none
  std::filesystem::path model;     // a Hugging Face folder
  std::string prompt;
  std::string precision = "fp32";  // auto, bf16, fp32
  int64_t max_new_tokens = 128, top_k = 0;
  double temperature = 0, top_p = 1;
  uint64_t seed = 0;
  bool json = false, ignore_eos = false;
};

/// Continues the prompt; text is written as it is made. Returns the exit code.
int generate(const GenerateRequest& request, std::ostream& out);

}  // namespace ingot::workflows
