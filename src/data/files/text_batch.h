#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "data/files/record_reader.h"

namespace ingot::data {

/// Fills one batch of a TextReader up to its limit: 1 MiB of text or 16384 records, whichever comes first.
class TextBatch {
 public:
  explicit TextBatch(std::vector<TextRecord>& records) : records_(records) { records_.clear(); }
  bool full() const;
  bool empty() const { return records_.empty(); }
  void add(TextRecord record);
  /// Adds bytes that should be UTF-8; else a record with that problem.
  void add_text(uint64_t row, std::string_view bytes);
  void add_problem(uint64_t row, std::string problem) { add({row, {}, std::move(problem)}); }

 private:
  std::vector<TextRecord>& records_;
  size_t bytes_ = 0;
};

}  // namespace ingot::data
