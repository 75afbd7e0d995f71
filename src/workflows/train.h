#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace ingot::workflows {

struct TrainRequest {
  std::filesystem::path config;
  std::vector<std::string> overrides;  // "key=value"
  bool check = false;                  // only the configuration is read and checked
  bool force = false;                  // a run that needs more memory than there is goes on
  bool profile = false;                // each rank writes what it does when into the run's folder
};

/// Checks a configuration without reading weights or data, and prints every key with the value in effect, as YAML.
/// Returns kExitOk; throws one ConfigError with every problem found.
int check_config(const TrainRequest& request, std::ostream& out);

/// The same with everything that can be known of a training run before it starts: what `train` refuses without reading data or weights.
int check_train(const TrainRequest& request, std::ostream& out);

/// The whole job: reads the configuration, preprocesses what is not done, loads the model, evaluates and samples, trains
/// with checkpoints, exports a Hugging Face folder to OUTPUT/model and checks it, evaluates and samples again. An
/// interrupted run goes on from its newest good checkpoint.
/// Returns kExitOk, or kExitTerminated when a signal stopped the run and its state is saved.
int train(const TrainRequest& request);

}  // namespace ingot::workflows
