#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>

namespace ingot::workflows {

struct TokenizeRequest {
  std::filesystem::path model;       // a folder with tokenizer files
  bool decode = false;               // lists of ids in, text out
  bool add_special_tokens = false;   // what the tokenizer's own files add around a text
  bool ordinary = false;             // texts of special tokens are plain text
  bool json = false;                 // text lines are JSON strings
  bool chat = false;                 // lines are conversations, see below
  std::string template_name;         // with chat: a template's name or YAML file; empty: the one that fits the model
  bool vendor_labels = false;        // with chat: see data::ChatOptions
};

/// Line by line: text to a JSON list of ids, or the other way; with `chat` a JSON list of messages (or an object with
/// "messages" and "tools") to {"text", "input_ids", "loss_mask"}, and "eos_labels" for positions whose label is eos.
/// Throws DataError naming the line that cannot be read. Returns the exit code.
int tokenize(const TokenizeRequest& request, std::istream& in, std::ostream& out);

}  // namespace ingot::workflows
