#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace ingot::config {

/// A job of AscendFactory (6.3.912 to 6.5.911) in the terms of the scripts before it.
struct AscendFactoryJob {
  std::map<std::string, std::string> variables;  // config/modelarts.h
  std::vector<std::string> arguments;            // of Megatron
  std::filesystem::path output;                  // of everything: output_dir, af_output_dir
  std::vector<std::string> remarks;              // of keys that change nothing here
};

/// Reads its YAML. With a model and an experiment, as `ascendfactory-cli train cfgs.yaml MODEL EXP` has them, the blocks `base`, MODEL and
/// MODEL's EXP count, a later one before an earlier one; without them the whole file, as of 6.5.906. `overrides` are "env.NNODES=2",
/// "af_output_dir=out" ... Source: CONTRACT §2.7-2.8. Throws ConfigError naming what is missing or unknown.
AscendFactoryJob read_ascend_factory(const std::filesystem::path& file, const std::string& model, const std::string& experiment,
                                     const std::vector<std::string>& overrides);

}  // namespace ingot::config
