#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/problems.h"

namespace ingot::config {

/// Keys of stage sft. docs/config.md lists them.
struct SftConfig {
  std::string chat_template;                   // key `template`; empty in the file: the one that fits the model
  bool vendor_labels = false;                  // see data::ChatOptions
  std::string handler_name = "auto";           // see data::make_record_handler
  std::map<std::string, std::string> map_keys; // see data::MapKeys
  std::vector<std::string> ignore_fields;      // columns, and reasoning_content, that are taken for absent
  std::string truncation = "cut_response";     // see data::Truncation
  bool packing = false, train_on_prompt = false, mask_history = false, megatron_instruction_layout = false;
  int64_t max_samples = 0;                     // records read of each data set at most; 0: all
};

/// Reports what is wrong with them beyond the ranges of the keys, and chooses the template of `model` when none is named.
void check_sft(Problems& problems, SftConfig& config, const std::filesystem::path& model);

/// Reports a handler that is not of pre-training.
void check_pretrain_handler(Problems& problems, const SftConfig& config);

}  // namespace ingot::config
