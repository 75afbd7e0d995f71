#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace ingot::workflows {

struct EvaluateRequest {
  std::filesystem::path adapter;            // a LoRA adapter folder to add; empty: none
  std::filesystem::path model;              // a Hugging Face folder
  std::vector<std::filesystem::path> data;  // each raw text, conversations, or a JSONL of {"input_ids": [...]}
  std::string kind = "auto";                // text, chat; auto: by the first record, text where it has the column
  std::string column = "text";
  std::string chat_template;                // a name or YAML file; empty: the one that fits the model
  std::string precision = "fp32";           // auto, bf16, fp32
  int64_t seq_length = 1024;                // window over raw text; a conversation is scored whole
  bool json = false;
};

/// Mean loss in nat per token, perplexity, token accuracy and number of scored tokens, of each data set and of all. Of
/// conversations the labels alone are scored. Returns the exit code.
int evaluate(const EvaluateRequest& request, std::ostream& out);

}  // namespace ingot::workflows
