#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/problems.h"

namespace ingot::config {

/// What arguments of Megatron and ModelLink say in our terms.
struct MegatronArguments {
  std::map<std::string, std::string> keys;          // values as they were given
  std::map<std::string, std::string> argument_of;   // of each of these keys
  std::vector<std::string> remarks;                 // of arguments that change nothing here
};

/// Reads `--recompute-granularity full --lora-r 16` ... An argument whose name is a key, or what another trainer calls it, is that key; some
/// have a meaning of their own; some change nothing here, which a remark says. `model` is a Hugging Face folder, whose config.json tells
/// layers and family; they are shared by `pipeline_ranks`. Others are problems, with the nearest that is known.
MegatronArguments read_megatron_arguments(const std::vector<std::string>& arguments, const std::filesystem::path& model, int64_t pipeline_ranks,
                                          Problems& problems);

}  // namespace ingot::config
