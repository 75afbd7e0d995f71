#include "config/check_paths.h"

#include <utility>

#include "core/plain_path.h"

namespace ingot::config {
namespace fs = std::filesystem;
namespace {

using Inputs = std::vector<std::pair<std::string, fs::path>>;  // key and path

/// What the system says of a path; the reason, in brackets, where it does not say what is there.
std::pair<fs::file_status, std::string> look_at(const fs::path& path) {
  std::error_code error;
  const auto status = fs::status(path, error);
  const bool is_known = !error || status.type() == fs::file_type::not_found;
  return {status, is_known ? "" : fmt::format(" ({}: {})", path.string(), error.message())};
}

void expect_path(Problems& problems, const std::string& key, const fs::path& path) {
  const auto [status, reason] = look_at(path);
  problems.expect(fs::status_known(status) && fs::exists(status), key, path.string(), "a file or folder that exists" + reason);
}

void expect_file_in(Problems& problems, const std::string& key, const fs::path& folder, const std::string& name) {
  const auto [status, reason] = look_at(folder / name);
  problems.expect(fs::is_regular_file(status), key, folder.string(), fmt::format("a folder with {}{}", name, reason));
}

bool begins_with_tilde(const fs::path& path) { return path.string().starts_with('~'); }

Inputs data_sets(const TrainConfig& config) {
  Inputs sets;
  for (const auto& path : config.dataset) sets.emplace_back("dataset", path);
  for (const auto& path : config.eval_dataset) sets.emplace_back("eval_dataset", path);
  return sets;
}

/// All that a run reads.
Inputs inputs_of(const TrainConfig& config) {
  Inputs inputs = data_sets(config);
  inputs.emplace_back("model_name_or_path", config.model_name_or_path);
  if (config.finetuning_type == "lora") inputs.emplace_back("adapter_name_or_path", config.adapter_name_or_path);
  const fs::path chat_template = config.sft.chat_template;
  std::error_code is_a_name;
  if (begins_with_tilde(chat_template) || fs::is_regular_file(chat_template, is_a_name)) inputs.emplace_back("template", chat_template);
  std::erase_if(inputs, [](const auto& input) { return input.second.empty(); });
  return inputs;
}

void check_tildes(Problems& problems, const Inputs& paths) {
  for (const auto& [key, path] : paths)
    problems.expect(!begins_with_tilde(path), key, path.string(), "a path without ~, which a shell expands and YAML does not (or ./~ for a name)");
}

void check_apart(Problems& problems, const TrainConfig& config) {
  const std::string output = config.output_dir.string();
  for (const auto& [key, path] : inputs_of(config))
    problems.expect(!lies_in(path, config.output_dir), key, path.string(), fmt::format("a path outside of output_dir, {}, where the run writes", output));
  for (const auto& [key, path] : data_sets(config))
    problems.expect(lies_in(path, config.output_dir) || !lies_in(config.output_dir, path), "output_dir", output,
                    fmt::format("a folder outside of {}, {}, whose files it would be among", key, path.string()));
}

void check_presence(Problems& problems, const TrainConfig& config) {
  for (const auto& [key, path] : inputs_of(config)) {
    if (begins_with_tilde(path)) continue;
    if (key == "model_name_or_path") expect_file_in(problems, key, path, "config.json");
    else if (key == "adapter_name_or_path") expect_file_in(problems, key, path, "adapter_config.json");
    else expect_path(problems, key, path);
  }
}

}  // namespace

void check_paths(Problems& problems, const TrainConfig& config) {
  problems.expect(!config.model_name_or_path.empty(), "model_name_or_path", "nothing", "a Hugging Face model folder");
  problems.expect(!config.dataset.empty(), "dataset", "nothing", "a list of files or folders");
  problems.expect(!config.output_dir.empty(), "output_dir", "nothing", "a folder to write to");
  check_presence(problems, config);
  Inputs all = inputs_of(config);
  all.emplace_back("output_dir", config.output_dir);
  check_tildes(problems, all);
  if (!config.output_dir.empty()) check_apart(problems, config);
}

}  // namespace ingot::config
