#pragma once

#include <filesystem>
#include <iosfwd>
#include <optional>
#include <vector>

#include "workflows/inspect.h"
#include "config/train_config.h"

namespace ingot::workflows {

/// The prefix of a preprocessed SFT data set behind PREFIX or the name of one of its files; absent when it is none.
std::optional<std::filesystem::path> sft_prefix(const std::filesystem::path& path);

/// Prefixes of the training data sets of a configuration, made or not.
std::vector<std::filesystem::path> sft_prefixes(const config::TrainConfig& config);

/// Shows one sample of these data sets, or the summary of their ledgers, with warnings about what training on them would
/// not teach. Throws ConfigError when they are not made yet.
int inspect_sft(const InspectRequest& request, const std::vector<std::filesystem::path>& prefixes, std::ostream& out);

}  // namespace ingot::workflows
