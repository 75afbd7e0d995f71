#include "train/run_identity.h"

#include <fmt/format.h>

#include <functional>

#include "core/log.h"
#include "core/problems.h"

namespace ingot::train {
namespace {

std::string text_of(const Json& object, const std::string& field) {
  return object.contains(field) ? json_text(object[field]) : "nothing";
}

using Difference = std::function<void(const std::string& field, const std::string& saved, const std::string& now)>;

/// Tells every field of either object whose value is not the same in the other.
void compare(const Json& saved, const Json& now, const Difference& tell) {
  for (const auto& [field, value] : now.items())
    if (!saved.contains(field) || saved[field] != value) tell(field, text_of(saved, field), text_of(now, field));
  for (const auto& [field, value] : saved.items())
    if (!now.contains(field)) tell(field, json_text(value), "nothing");
}

}  // namespace

std::vector<std::string> fixed_differences(const RunIdentity& saved, const RunIdentity& now) {
  std::vector<std::string> differences;
  compare(saved.fixed, now.fixed, [&](const auto& field, const auto& old_value, const auto& new_value) {
    differences.push_back(fmt::format("{}: found {}, wanted {} as in the checkpoint", field, new_value, old_value));
  });
  return differences;
}

void check_identity(const RunIdentity& saved, const RunIdentity& now, const std::string& source) {
  Problems problems;
  for (const auto& difference : fixed_differences(saved, now)) problems.add(difference);
  problems.throw_if_any(fmt::format("cannot resume from {} (set overwrite_output_dir: true to throw that run away, or name another "
                                    "output_dir)", source));
  compare(saved.settings, now.settings, [&](const auto& field, const auto& old_value, const auto& new_value) {
    log_info(fmt::format("resuming with {} {}, it was {}", field, new_value, old_value));
  });
}

}  // namespace ingot::train
