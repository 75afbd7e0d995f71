#include "checkpoint/checkpoint_name.h"

#include <fmt/format.h>

#include <charconv>

namespace ingot::checkpoint {

std::string checkpoint_name(int64_t step) { return fmt::format("{}{:07}", kCheckpointPrefix, step); }

std::optional<int64_t> step_of_name(std::string_view name) {
  if (!name.starts_with(kCheckpointPrefix)) return std::nullopt;
  int64_t step = 0;
  std::from_chars(name.data() + std::string_view(kCheckpointPrefix).size(), name.data() + name.size(), step);
  return step >= 0 && checkpoint_name(step) == name ? std::optional(step) : std::nullopt;
}

}  // namespace ingot::checkpoint
