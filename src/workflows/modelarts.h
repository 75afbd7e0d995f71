#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace ingot::workflows {

enum class ModelArtsStep { kEnv, kConfig, kTrain, kPreprocess, kExport };

/// A job whose variables are those of ModelArts' training scripts.
struct ModelArtsRequest {
  ModelArtsStep step = ModelArtsStep::kEnv;
  bool dry_run = false;                // of the last three: the table alone
  std::vector<std::string> arguments;  // those of Megatron and ModelLink
};

/// kEnv prints the table of the variables and what follows from them; kConfig the configuration that says the same. The others print the table,
/// write the configuration beside the logs, make the links that CONTRACT §1.2's folders are, and start `ingot launch -- train`,
/// `ingot launch -- preprocess` or `ingot export`. Throws as config::read_modelarts; ConfigError where checkpoints stand in the place
/// of a run that is to begin anew, or a folder where a link is to be.
int modelarts(const ModelArtsRequest& request, std::ostream& out);

struct ModelArtsInitRequest {
  std::filesystem::path folder;
};

/// Writes the package of scripts that an engineer knows: FOLDER/llm_train/AscendSpeed/scripts/FAMILY/0_pl_pretrain_SIZE.sh ... of the 32
/// models. Scripts that are there and were changed by hand stay, which a line says. Throws ConfigError and CommError as OutputFolder.
int modelarts_init(const ModelArtsInitRequest& request, std::ostream& out);

}  // namespace ingot::workflows
