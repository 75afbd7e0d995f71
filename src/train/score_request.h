#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ingot::train {

/// What is scored with which model. Plain values: the command line fills it.
struct ScoreRequest {
  std::filesystem::path adapter;            // a LoRA adapter folder to add; empty: none
  std::filesystem::path model;              // a Hugging Face folder
  std::vector<std::filesystem::path> data;  // each raw text, conversations, or lists of ids
  std::filesystem::path config;             // a training configuration: data is read as it says; empty: none
  std::string kind = "auto";                // text, chat, ids; auto: by the first sound record, text where it has the column
  std::optional<std::string> column;        // text column
  std::string chat_template;                // a name or YAML file; empty: the one that fits the model
  std::string precision = "auto", device = "auto";  // see hub/compute.h
  std::optional<int64_t> seq_length;        // window over raw text
  bool json = false;
};

}  // namespace ingot::train
