#include "checkpoint/hf_folder.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstring>

#include "checkpoint/hf_index.h"
#include "core/error.h"
#include "core/printable.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

bool is_there(const fs::path& file) {
  std::error_code error;
  return fs::exists(file, error);
}

[[noreturn]] void throw_no_weights(const fs::path& folder) {
  if (is_there(folder / "pytorch_model.bin") || is_there(folder / "pytorch_model.bin.index.json"))
    throw DataError(fmt::format("{}: holds pytorch_model.bin; only safetensors weights are read", folder.string()));
  throw DataError(fmt::format("{}: neither {} nor {} is there", folder.string(), kHfWeightsFile, kHfIndexFile));
}

}  // namespace

HfWeights::HfWeights(const fs::path& folder) {
  if (is_there(folder / kHfWeightsFile)) {
    files_.push_back(std::make_shared<SafetensorsFile>(path_inside(folder, kHfWeightsFile, folder)));
    for (const auto& tensor : files_[0]->tensors()) file_of_.emplace(tensor.name, 0);
    return;
  }
  if (!is_there(folder / kHfIndexFile)) throw_no_weights(folder);
  const fs::path index = path_inside(folder, kHfIndexFile, folder);
  const auto weight_map = read_weight_map(index);
  std::map<std::string, size_t> number_of_shard;
  for (const auto& [name, shard] : weight_map) {
    const auto [known, is_new] = number_of_shard.emplace(shard, files_.size());
    if (is_new) files_.push_back(std::make_shared<SafetensorsFile>(path_inside(folder, shard, index)));
    if (!files_[known->second]->find(name))
      throw DataError(fmt::format("{}: tensor {} is not in {}", index.string(), in_quotes(name), in_quotes(shard)));
    file_of_.emplace(name, known->second);
  }
  for (const auto& file : files_)
    for (const auto& tensor : file->tensors())
      if (const auto owner = file_of_.find(tensor.name); owner == file_of_.end() || files_[owner->second] != file)
        throw DataError(fmt::format("{}: tensor {} is not listed for this file in {}", file->file().path().string(),
                                    in_quotes(tensor.name), kHfIndexFile));
}

std::vector<TensorEntry> HfWeights::tensors() const {
  std::vector<TensorEntry> all;
  for (const auto& file : files_) all.insert(all.end(), file->tensors().begin(), file->tensors().end());
  return all;
}

bool HfWeights::contains(const std::string& name) const { return file_of_.contains(name); }

at::Tensor HfWeights::load(const std::string& name) const {
  const auto found = file_of_.find(name);
  if (found == file_of_.end())
    throw DataError(fmt::format("{}: no tensor {}", files_.at(0)->file().path().string(), in_quotes(name)));
  return load_tensor(*files_[found->second], name);
}

uint64_t HfWeights::total_bytes() const {
  uint64_t total = 0;
  for (const auto& file : files_)
    for (const auto& tensor : file->tensors()) total += tensor.end - tensor.begin;
  return total;
}

at::Tensor load_tensor(const SafetensorsFile& file, const std::string& name) {
  const TensorEntry* entry = file.find(name);
  if (!entry) throw DataError(fmt::format("{}: no tensor {}", file.file().path().string(), in_quotes(name)));
  const auto bytes = file.bytes(*entry);
  auto tensor = at::empty(entry->shape, to_scalar_type(entry->dtype));
  if (!bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
  file.file().release(static_cast<size_t>(bytes.data() - file.file().bytes().data()), bytes.size());
  return tensor;
}

}  // namespace ingot::checkpoint
