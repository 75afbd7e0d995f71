#pragma once

#include <string>
#include <utility>

#include "core/error.h"

namespace ingot::data {

/// Why one record cannot be trained on. what() is the reason, one of few, under which the ledger counts it; `detail` is
/// what stood in this record.
struct RecordError : DataError {
  explicit RecordError(const std::string& reason, std::string found = {}) : DataError(reason), detail(std::move(found)) {}
  std::string detail;
  std::string place = {};  // which of the record's messages; empty: the record
};

}  // namespace ingot::data
