#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>

namespace ingot::workflows {

struct InspectRequest {
  std::filesystem::path path;   // PREFIX, PREFIX.bin or PREFIX.idx of a preprocessed data set
  std::filesystem::path model;  // a folder with tokenizer files; empty shows ids only
  uint64_t row = 0;             // 0-based
  int64_t seq_length = 1024;    // tokens a row
  bool json = false;
};

/// Shows one row of a preprocessed data set: tokens, their texts, and where documents begin. Returns the exit code.
int inspect(const InspectRequest& request, std::ostream& out);

struct InspectRawRequest {
  std::filesystem::path file;
  uint64_t limit = 10;
};

/// Prints the first rows of a raw data file as JSON, one object a line. Returns the exit code.
int inspect_raw(const InspectRawRequest& request, std::ostream& out);

}  // namespace ingot::workflows
