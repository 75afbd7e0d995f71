#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/problems.h"

namespace ingot::config {

/// Names of all variables that are understood, those of keys among them.
std::vector<std::string> modelarts_names();

/// Adds what is wrong with the names and texts: a variable that is nearly one of a job, which would be left out in silence, and one that is no UTF-8.
void check_variables(const std::map<std::string, std::string>& environment, Problems& problems);

/// A line of the table that a job prints before it runs.
struct Setting {
  std::string variable, value;
  std::string origin;  // environment, script, argument, default, derived
  std::string key;     // what it is in a configuration of Ingot, "" where nothing
};

/// Where ModelArts keeps what: CONTRACT §1.2.
struct ModelArtsFolders {
  std::filesystem::path run;          // ours: output_dir, SAVED/<type>_run
  std::filesystem::path checkpoints;  // SAVED/<type>, a link to RUN/checkpoints
  std::filesystem::path exported;     // SAVED/<type>_hf, a link to RUN/model
  std::filesystem::path data;         // INPUT_PROCESSED_DIR/data/<pretrain|finetune>, a link to RUN/data
  std::filesystem::path logs, plog;
  std::filesystem::path configuration;  // what the variables say as YAML
};

/// A job of ModelArts' scripts in Ingot's terms.
struct ModelArtsJob {
  std::vector<Setting> settings;
  std::map<std::string, std::string> keys;  // of the configuration, each with its value as YAML
  std::vector<std::string> remarks;         // what contradicts what, and what is done
  ModelArtsFolders folders;
  std::string type;                         // pretrain, sft, lora
  bool converts_to_hf = false;              // CONVERT_MG2HF
  bool must_begin = false;                  // CKPT_LOAD_TYPE 0 or 1, and not to resume: checkpoints in its place are refused
  std::optional<std::filesystem::path> goes_on_from;  // checkpoints of another run, USER_CONVERTED_CKPT_PATH
  std::optional<int64_t> samples;           // SN
  int64_t num_nodes = 1, node_rank = 0, ranks_per_node = 1;
  std::string master_addr;
  uint16_t master_port = 6000;
  /// The configuration as YAML.
  std::string yaml() const;
};

/// What a job's variables and the arguments behind 3_training.sh (those of Megatron and ModelLink) say. `environment` holds every variable of
/// the process: one that is nearly one of ours is refused. `num_devices`: accelerators of this machine, 0 on a CPU. `factory_output`: the one
/// folder of a job of AscendFactory; empty: folders as the variables say.
/// Throws one ConfigError with every problem.
ModelArtsJob read_modelarts(const std::map<std::string, std::string>& environment, const std::vector<std::string>& arguments, int64_t num_devices,
                            const std::filesystem::path& factory_output = {});

}  // namespace ingot::config
