#include "data/shards/part_place.h"

#include <fmt/format.h>

#include "core/error.h"

namespace ingot::data {

void PartPlace::end_part(uint64_t rows) {
  const BlockPart& part = now();
  const uint64_t before = rows_before_;
  leave_part();
  if (!part.ends_file()) {
    rows_before_ = before + rows;
    return;
  }
  if (!(input_file(inputs_[part.file].path) == inputs_[part.file]))
    throw DataError(fmt::format("{}: changed while it was read", inputs_[part.file].path.string()));
}

void PartPlace::leave_part() {
  ++part_;
  rows_before_ = 0;
}

}  // namespace ingot::data
