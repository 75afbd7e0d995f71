#include "workflows/model_files.h"

#include <algorithm>

#include "core/file.h"
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

}  // namespace ingot::workflows
