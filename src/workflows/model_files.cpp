#include "workflows/model_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "checkpoint/staging.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/sha256.h"

namespace ingot::workflows {
namespace fs = std::filesystem;
namespace {

const std::vector<std::string> kTokenizerFiles{"added_tokens.json", "chat_template.jinja", "chat_template.json", "merges.txt",
                                               "qwen.tiktoken", "special_tokens_map.json", "tokenizer.json", "tokenizer.model",
                                               "tokenizer_config.json", "vocab.json"};

}  // namespace

std::vector<std::string> tokenizer_files(const fs::path& folder) {
  std::vector<std::string> present;
  std::copy_if(kTokenizerFiles.begin(), kTokenizerFiles.end(), std::back_inserter(present),
               [&](const std::string& name) { return fs::exists(folder / name); });
  return present;
}

std::string tokenizer_identity(const fs::path& folder) {
  Sha256 hash;
  for (const auto& name : tokenizer_files(folder)) {
    const MappedFile file(folder / name);
    hash.add(name.data(), name.size() + 1);  // with the closing zero
    hash.add(file.bytes().data(), file.bytes().size());
  }
  return hash.hex();
}

void copy_companion_files(const fs::path& from, const fs::path& to) {
  make_folder(to);
  ingot::copy_file(from / "config.json", to / "config.json");
  if (fs::exists(from / "generation_config.json")) ingot::copy_file(from / "generation_config.json", to / "generation_config.json");
  for (const auto& name : tokenizer_files(from)) ingot::copy_file(from / name, to / name);
}

void write_dtype(const fs::path& folder, DType dtype) {
  Json config = read_json(folder / "config.json");
  const char* key = config.contains("dtype") ? "dtype" : "torch_dtype";
  if (config.contains(key) && config[key] == config_name(dtype)) return;
  config[key] = config_name(dtype);
  write_file(folder / "config.json", config.dump(2) + "\n");
}

std::optional<DType> dtype_named(const std::string& name) {
  if (name == "auto") return {};
  if (const auto dtype = dtype_from_config(name)) return dtype;
  throw ConfigError(fmt::format("dtype: found {}, wanted auto, bfloat16, float16 or float32", name));
}

fs::path model_target(const fs::path& folder) {
  const fs::path absolute = fs::absolute(folder).lexically_normal();
  const fs::path target = absolute.has_filename() ? absolute : absolute.parent_path();
  if (fs::exists(target) && !(fs::is_directory(target) && (fs::is_empty(target) || fs::exists(target / "config.json"))))
    throw ConfigError(fmt::format("{}: is there and is no model folder; name another or remove it", target.string()));
  make_folder(target.parent_path());
  checkpoint::remove_dead_staging(target.parent_path(), target.filename().string());
  return target;
}

}  // namespace ingot::workflows
