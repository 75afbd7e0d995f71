#include <fmt/format.h>

#include <iterator>

#include "config/key.h"
#include "config/modelarts.h"
#include "core/printable.h"
#include "core/utf8.h"
#include "core/words.h"

namespace ingot::config {

namespace {

/// Beside those that are keys by another name (Key::environment).
constexpr const char* kJobVariables[] = {
    "MODEL_NAME", "RUN_TYPE", "TOKENIZER_PATH", "MAX_PE", "SN", "INPUT_PROCESSED_DIR", "CKPT_SAVE_PATH", "LOG_SAVE_PATH",
    "ASCEND_PROCESS_LOG_PATH", "CONVERT_MG2HF", "USER_PROCESSED_DATA_DIR", "USER_CONVERTED_CKPT_PATH", "CKPT_LOAD_TYPE",
    "MA_TRAIN_AUTO_RESUME", "DATASET_PATH", "MODEL_PATH", "MODEL_TYPE", "WORK_DIR", "MASTER_ADDR", "MASTER_PORT", "NNODES", "NODE_RANK",
    "NPUS_PER_NODE", "GPUS_PER_NODE", "SHELL_FOLDER"};

}  // namespace

std::vector<std::string> modelarts_names() {
  std::vector<std::string> names(std::begin(kJobVariables), std::end(kJobVariables));
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
