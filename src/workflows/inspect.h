#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>

namespace ingot::workflows {

struct InspectRequest {
  std::filesystem::path path;   // PREFIX, PREFIX.bin or PREFIX.idx of a preprocessed data set, or a YAML configuration
  std::filesystem::path model;  // a folder with tokenizer files; empty shows ids only, or takes that of the configuration
  std::optional<uint64_t> row;     // 0-based; absent: the first, or of a configuration a summary of the ledger
  std::optional<int64_t> seq_length;  // tokens a row; absent: 1024, or cutoff_len of the configuration
  std::optional<uint64_t> sample;  // of stage sft, 0-based over all data sets; absent: a summary of the ledgers
  bool color = false;           // samples as running text, labels in colour; else a table
  bool json = false;
};

/// Shows one row of a preprocessed data set: tokens, their texts, and where documents begin; of stage sft a sample with its
/// label mask and origin, or, of either stage, what became of all records. Returns the exit code.
int inspect(const InspectRequest& request, std::ostream& out);

struct InspectRawRequest {
  std::filesystem::path file;
  uint64_t limit = 10;
};

/// Prints the first rows of a raw data file as JSON, one object a line. Returns the exit code.
int inspect_raw(const InspectRawRequest& request, std::ostream& out);

}  // namespace ingot::workflows
