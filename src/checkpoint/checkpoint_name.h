#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ingot::checkpoint {

inline constexpr const char* kManifestFile = "manifest.json";
/// Holds the step of the newest checkpoint as text; the name is Megatron's.
inline constexpr const char* kTrackerFile = "latest_checkpointed_iteration.txt";

/// What every checkpoint's name begins with.
inline constexpr const char* kCheckpointPrefix = "iter_";

/// "iter_0000500" for step 500.
std::string checkpoint_name(int64_t step);

/// The step in a name that checkpoint_name gives; nothing for other names.
std::optional<int64_t> step_of_name(std::string_view name);

}  // namespace ingot::checkpoint
