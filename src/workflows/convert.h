#pragma once

#include <filesystem>
#include <string>

namespace ingot::workflows {

struct ConvertRequest {
  std::filesystem::path from, to;
  std::string dtype = "float32";  // keeps every dequantized value exactly
};

/// A GGUF file to a Hugging Face folder. Returns the exit code.
int convert(const ConvertRequest& request);

}  // namespace ingot::workflows
