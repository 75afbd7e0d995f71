#include <fmt/format.h>

#include "config/key.h"
#include "config/modelarts.h"
#include "core/printable.h"
#include "core/utf8.h"
#include "core/words.h"

namespace ingot::config {

const std::vector<ModelArtsVariable>& modelarts_variables() {
  static const std::vector<ModelArtsVariable> all{
      {"MODEL_NAME", "", "names the folders of the job"},
      {"RUN_TYPE", "stage, finetuning_type", "pretrain, sft, lora; retrain of 6.3.904 goes on"},
      {"TOKENIZER_PATH", "", "the folder of the tokenizer, which must be that of ORIGINAL_HF_WEIGHT"},
      {"MAX_PE", "", "SEQ_LEN may not be more; else nothing"},
      {"SN", "", "samples of the data: they are counted, another number is said"},
      {"INPUT_PROCESSED_DIR", "", "where the prepared data is found"},
      {"CKPT_SAVE_PATH", "output_dir", "where checkpoints and the exported model are found"},
      {"LOG_SAVE_PATH", "", "logs of the ranks, and the configuration"},
      {"ASCEND_PROCESS_LOG_PATH", "", "logs of crashes"},
      {"CONVERT_MG2HF", "", "TRUE: the trained model is found as TYPE_hf"},
      {"USER_PROCESSED_DATA_DIR", "", "is refused"},
      {"USER_CONVERTED_CKPT_PATH", "model_name_or_path", "weights or checkpoints to begin with"},
      {"CKPT_LOAD_TYPE", "train_from_scratch", "0 no weights, 1 weights, 2 weights and optimizer"},
      {"MA_TRAIN_AUTO_RESUME", "", "1: goes on from its own newest checkpoint"},
      {"DATASET_PATH", "dataset", "6.3.904: ORIGINAL_TRAIN_DATA_PATH"},
      {"MODEL_PATH", "model_name_or_path", "6.3.904: ORIGINAL_HF_WEIGHT"},
      {"MODEL_TYPE", "", "6.3.904: 7B, 13B, 70B, of a family's one script"},
      {"WORK_DIR", "", "6.3.904: the folder of the scripts"},
      {"MASTER_ADDR", "", "host of node 0"},
      {"MASTER_PORT", "", "port on it"},
      {"NNODES", "", "nodes of the job"},
      {"NODE_RANK", "", "this one"},
      {"NPUS_PER_NODE", "", "ranks of a node"},
      {"GPUS_PER_NODE", "", "the same, of the scripts that ModelArts' call"},
      {"SHELL_FOLDER", "", "the folder of the running script"}};
  return all;
}

std::vector<std::string> modelarts_names() {
  std::vector<std::string> names;
  for (const auto& variable : modelarts_variables()) names.emplace_back(variable.name);
  for (const auto& section : key_table())
    for (const auto& key : section.keys)
      if (!key.environment.empty()) names.emplace_back(key.environment);
  return names;
}

void check_variables(const std::map<std::string, std::string>& environment, Problems& problems) {
  const auto names = modelarts_names();
  std::vector<std::string> known;  // short names have too many neighbours
  for (const auto& name : names) {
    if (name.size() >= 6) known.push_back(name);
    if (const auto found = environment.find(name); found != environment.end() && !is_utf8(found->second)) problems.add(fmt::format("{}: found {}, wanted UTF-8", name, in_quotes(found->second)));
  }
  for (const auto& [name, text] : environment) {
    if (name.size() < 8 || is_one_of(name, names)) continue;
    const auto near = nearest_word(name, known, name.size() < 12 ? 1 : 2);
    if (!near.empty()) problems.add(fmt::format("{}: is no variable of a job; did you mean {}?", name, near));
  }
}

std::string ModelArtsJob::yaml() const {
  std::string text;
  for (const auto& [key, value] : keys) text += fmt::format("{}: {}\n", key, value);
  return text;
}

}  // namespace ingot::config
