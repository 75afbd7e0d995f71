#pragma once

#include <string>
#include <vector>

#include "core/json.h"

namespace ingot::train {

/// What a run was started with: two flat JSON objects from a field's name to its value.
struct RunIdentity {
  Json fixed = Json::object();     // a resumed run must have the same: data, seq_length, global batch, seed ...
  Json settings = Json::object();  // may change between stop and resume: max_steps, learning rate ...
};

/// How the fixed fields differ, one text each: the value found and the value wanted.
std::vector<std::string> fixed_differences(const RunIdentity& saved, const RunIdentity& now);

/// Compares what a checkpoint was made with to what the run has now. Throws one ConfigError with every fixed field that
/// differs, its value found and the value wanted; a setting that differs is told in a log line. `source` names the
/// checkpoint.
void check_identity(const RunIdentity& saved, const RunIdentity& now, const std::string& source);

}  // namespace ingot::train
