#include "data/files/arrow_batches.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace ingot::data {

void refuse_arrow(std::string message, const std::string& file) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  throw DataError(fmt::format("{}: {}", file, message));
}

void check_arrow(const arrow::Status& status, const std::string& file) {
  if (status.ok()) return;
  if (status.IsOutOfMemory())
    refuse_arrow(fmt::format("a few rows of it need more than {} MiB of memory", kArrowMemoryLimit >> 20), file);
  refuse_arrow(status.message(), file);
}

int find_column(const arrow::Schema& schema, const std::string& column, const std::string& file) {
  const auto found = schema.GetAllFieldIndices(column);
  if (found.size() == 1) return found[0];
  throw DataError(fmt::format("{}: {} column {}, it has: {}", file, found.empty() ? "no" : "more than one", column,
                              fmt::join(schema.field_names(), ", ")));
}

}  // namespace ingot::data
