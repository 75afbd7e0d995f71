#include "hub/model_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"
#include "core/printable.h"
#include "core/sha256.h"
#include "core/utf8.h"

namespace ingot::hub {
namespace fs = std::filesystem;
namespace {

const std::vector<std::string> kTokenizerFiles{"added_tokens.json", "chat_template.jinja", "chat_template.json", "merges.txt",
                                               "qwen.tiktoken", "special_tokens_map.json", "tokenizer.json", "tokenizer.model",
                                               "tokenizer_config.json", "vocab.json"};

constexpr const char* kTemplateFolder = "additional_chat_templates";
constexpr uintmax_t kMaxBytes = uintmax_t{64} << 20;

/// Endings of weights in every format, of their indexes and of pickled training state.
constexpr std::array<std::string_view, 14> kWeightEndings{
    ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".ggml", ".h5", ".msgpack", ".onnx", ".npz", ".tflite",
    ".mlmodel", ".index.json"};
/// A copy of the base model's adapter would make libraries apply it; a trainer's state and weight_layout.json, which exports
/// of Ingot 0.1 held, are of another run.
constexpr std::array<std::string_view, 3> kOthersState{"adapter_config.json", "trainer_state.json", "weight_layout.json"};

bool is_weight_or_state(std::string_view name) {
  return std::any_of(kWeightEndings.begin(), kWeightEndings.end(), [&](auto ending) { return name.ends_with(ending); }) ||
         std::find(kOthersState.begin(), kOthersState.end(), name) != kOthersState.end();
}

/// Files that are carried along whatever their size and wherever a link of that name leads.
bool is_needed(const std::string& name) {
  return name == "config.json" || std::find(kTokenizerFiles.begin(), kTokenizerFiles.end(), name) != kTokenizerFiles.end();
}

/// Whether a file that is neither weights nor hidden comes along; says so where it does not.
bool comes_along(const fs::path& folder, const fs::path& relative) {
  const fs::path file = folder / relative;
  std::error_code error;
  const auto status = fs::status(file, error);
  if (status.type() == fs::file_type::not_found)
    throw DataError(fmt::format("{}: is a link to nothing, wanted a file", file.string()));
  if (status.type() != fs::file_type::regular) return false;
  if (is_needed(relative.string())) return true;
  if (!is_utf8(relative.string())) {
    log_warning(fmt::format("{} has a name that is not UTF-8: it does not come along", printable(file.string())));
    return false;
  }
  if (!stays_inside(folder, relative)) {
    log_warning(fmt::format("{} leads out of the model's folder: it does not come along", file.string()));
    return false;
  }
  if (fs::file_size(file) <= kMaxBytes) return true;
  log_warning(fmt::format("{} has {} bytes, more than {}: it does not come along", file.string(), fs::file_size(file),
                          kMaxBytes));
  return false;
}

/// Appends the names of a folder's own files, as seen from the model's folder.
void append_files(const fs::path& folder, const fs::path& below, std::vector<std::string>& names) {
  std::error_code error;
  fs::directory_iterator entry(folder / below, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with('.') || is_weight_or_state(name)) continue;
    if (comes_along(folder, below / name)) names.push_back((below / name).string());
  }
  if (error) throw DataError(fmt::format("{}: cannot be read: {}", (folder / below).string(), error.message()));
}

/// config.json without what an export may change in it.
Json config_but_dtype(const fs::path& folder) {
  Json config = read_json(folder / "config.json");
  if (config.is_object()) config.erase("dtype"), config.erase("torch_dtype");
  return config;
}

bool same_bytes(const fs::path& a, const fs::path& b) {
  const MappedFile first(a), second(b);
  return std::equal(first.bytes().begin(), first.bytes().end(), second.bytes().begin(), second.bytes().end());
}

}  // namespace

std::vector<std::string> tokenizer_files(const FolderFiles& folder) {
  std::vector<std::string> present;
  std::copy_if(kTokenizerFiles.begin(), kTokenizerFiles.end(), std::back_inserter(present),
               [&](const std::string& name) { return folder.has(name); });
  return present;
}

std::string tokenizer_identity(const FolderFiles& folder) {
  Sha256 hash;
  for (const auto& name : tokenizer_files(folder)) {
    const auto text = folder.text(name).text;
    hash.add(name.data(), name.size() + 1);  // with the closing zero
    hash.add(text.data(), text.size());
  }
  return hash.hex();
}

std::vector<std::string> companion_files(const fs::path& folder) {
  std::vector<std::string> names;
  append_files(folder, "", names);
  if (fs::is_directory(folder / kTemplateFolder)) append_files(folder, kTemplateFolder, names);
  std::sort(names.begin(), names.end());
  return names;
}

void copy_companion_files(const FolderFiles& from, const fs::path& to) {
  if (!from.has("config.json")) throw DataError(fmt::format("{}: no config.json", from.path().string()));
  make_folder(to);
  for (const auto& name : companion_files(from.path())) {
    make_folder((to / name).parent_path());
    write_file(to / name, from.text(name).text);
  }
}

void check_companion_files(const fs::path& from, const fs::path& to) {
  for (const auto& name : companion_files(from)) {
    if (!fs::is_regular_file(to / name)) throw DataError(fmt::format("{}: {} is missing", to.string(), name));
    const bool same = name == "config.json" ? config_but_dtype(from) == config_but_dtype(to)
                                            : same_bytes(from / name, to / name);
    if (!same) throw DataError(fmt::format("{}: {} differs from the one in {}", to.string(), name, from.string()));
  }
}

void write_dtype(const fs::path& folder, DType dtype) {
  Json config = read_json(folder / "config.json");
  const char* key = config.contains("dtype") ? "dtype" : "torch_dtype";
  if (config.contains(key) && config[key] == config_name(dtype)) return;
  config[key] = config_name(dtype);
  write_file(folder / "config.json", config.dump(2) + "\n");
}

void write_vocabulary_size(const fs::path& folder, int64_t vocab_size) {
  Json config = read_json(folder / "config.json");
  const bool padded = config.contains("padded_vocab_size");
  if (padded) config["padded_vocab_size"] = vocab_size;
  if (!padded || config.contains("vocab_size")) config["vocab_size"] = vocab_size;
  write_file(folder / "config.json", config.dump(2) + "\n");
}

std::optional<DType> dtype_named(const std::string& name) {
  if (name == "auto") return {};
  if (const auto dtype = dtype_from_config(name)) return dtype;
  throw ConfigError(fmt::format("dtype: found {}, wanted auto, bfloat16, float16 or float32", name));
}

}  // namespace ingot::hub
