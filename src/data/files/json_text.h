#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/files/record_reader.h"

namespace ingot::data {

/// Takes one string column out of JSON objects. The whole object is checked, not only the column.
class JsonText {
 public:
  explicit JsonText(std::string column);
  ~JsonText();
  /// Sets text or problem of `record`. Of a key that stands twice the last counts. kPadding bytes behind `json` must be
  /// readable.
  void extract(std::string_view json, TextRecord& record);
  /// Objects seen that are sound but lack the column, and those that have it.
  uint64_t num_missing() const { return num_missing_; }
  uint64_t num_present() const { return num_present_; }
  /// Keys of the first object that lacks the column.
  const std::vector<std::string>& keys_present() const { return keys_present_; }
  /// Other keys that hold something, in objects that have a text.
  const ColumnCounts& unused() const { return unused_; }

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
  std::string column_;
  uint64_t num_missing_ = 0, num_present_ = 0;
  std::vector<std::string> keys_present_;
  ColumnCounts unused_;
};

/// Why `json` is not one sound JSON object or array (or, with `scalars`, value of any kind); empty when it is. kPadding bytes
/// behind it must be readable.
std::string json_problem(std::string_view json, bool scalars = false);

}  // namespace ingot::data
