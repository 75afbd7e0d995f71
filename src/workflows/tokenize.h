#pragma once

#include <filesystem>
#include <iosfwd>

namespace ingot::workflows {

struct TokenizeRequest {
  std::filesystem::path model;       // a folder with tokenizer files
  bool decode = false;               // lists of ids in, text out
  bool add_special_tokens = false;   // what the tokenizer's own files add around a text
  bool ordinary = false;             // texts of special tokens are plain text
  bool json = false;                 // text lines are JSON strings
};

/// Line by line: text to a JSON list of ids, or the other way. Throws DataError naming the line that cannot be read.
/// Returns the exit code.
int tokenize(const TokenizeRequest& request, std::istream& in, std::ostream& out);

}  // namespace ingot::workflows
