#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ingot::train {

/// What is scored with which model. Plain values: the command line fills it.
struct ScoreRequest {
  std::filesystem::path adapter;            // a LoRA adapter folder to add; empty: none
  std::filesystem::path model;              // a Hugging Face folder
  std::vector<std::filesystem::path> data;  // each raw text, conversations, or a JSONL of {"input_ids": [...]}
  std::string kind = "auto";                // text, chat; auto: by the first record, text where it has the column
  std::string column = "text";
  std::string chat_template;                // a name or YAML file; empty: the one that fits the model
  std::string precision = "auto";           // auto, bf16, fp32
  int64_t seq_length = 1024;                // window over raw text; a conversation is scored whole
  bool json = false;
};

}  // namespace ingot::train
