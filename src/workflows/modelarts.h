#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
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

/// "rank_12.log": of the last start of a job.
bool is_rank_log(const std::string& name);

struct ModelArtsInitRequest {
  std::filesystem::path folder;
};

/// Writes the package of scripts that an engineer knows: FOLDER/llm_train/AscendSpeed/scripts/FAMILY/0_pl_pretrain_SIZE.sh ... of the 32
/// models. Scripts that are there and were changed by hand stay, which a line says. Throws ConfigError and CommError as OutputFolder.
int modelarts_init(const ModelArtsInitRequest& request, std::ostream& out);

struct PerformanceRequest {
  std::filesystem::path log;                 // a log with lines of iterations, of Ingot or Megatron; or the logs folder of a job
  std::optional<int64_t> seq_length, cards;  // absent: as the configuration and the logs in the folder say
  int64_t skip = 1;                          // iterations from the first on that are not counted: they warm up
  std::filesystem::path baseline;            // what --json printed of another job; empty: none
  bool json = false;
};

/// Prints speed and loss of a job by ModelArts' formula, tokens/s/p = global_batch_size x seq_length / (cards x mean ms of an iteration) x 1000,
/// beside the baseline's. Source: CONTRACT §6.1. Throws DataError naming a log without iterations, ConfigError where length or cards
/// are not known.
int performance(const PerformanceRequest& request, std::ostream& out);

}  // namespace ingot::workflows
