#include "checkpoint/hf_folder.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "checkpoint/hf_index.h"
#include "checkpoint/torch/torch_file.h"
#include "core/error.h"
#include "core/file.h"
#include "core/is_there.h"
#include "core/log.h"
#include "core/printable.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

const TensorEntry& find(const SafetensorsFile& file, const std::string& name) {
  if (const TensorEntry* entry = file.find(name)) return *entry;
  throw DataError(fmt::format("{}: no tensor {}", file.file().path().string(), in_quotes(name)));
}

/// A tensor of mapped bytes, whose pages are let go.
at::Tensor copied(const SafetensorsFile& file, std::span<const std::byte> bytes, const Shape& shape, DType dtype) {
  auto tensor = at::empty(shape, to_scalar_type(dtype));
  if (!bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
  file.file().release(static_cast<size_t>(bytes.data() - file.file().bytes().data()), bytes.size());
  return tensor;
}

/// As in transformers an index says which files there are, and each tensor is looked for in all of them.
void warn_of(const fs::path& index, const std::vector<std::string>& names, const char* what) {
  if (names.empty()) return;
  const std::string others = names.size() > 1 ? fmt::format(", and so are {} more", names.size() - 1) : "";
  log_warning(fmt::format("{}: tensor {} is {}{}: every tensor of every file listed is taken", index.string(), in_quotes(names[0]), what, others));
}

class SafetensorsWeights : public WeightFile {
 public:
  explicit SafetensorsWeights(const fs::path& file) : file_(file) {}
  const fs::path& path() const override { return file_.file().path(); }
  bool contains(const std::string& name) const override { return file_.find(name) != nullptr; }
  std::optional<std::map<std::string, std::string>> metadata() const override { return file_.metadata(); }
  at::Tensor load(const std::string& name) const override { return load_tensor(file_, name); }
  at::Tensor load_rows(const std::string& name, int64_t first, int64_t count) const override {
    const TensorEntry& entry = find(file_, name);
    const int64_t width = entry.shape.back();
    const auto row_bytes = static_cast<size_t>(width * size_of(entry.dtype));
    return copied(file_, file_.bytes(entry).subspan(static_cast<size_t>(first) * row_bytes, static_cast<size_t>(count) * row_bytes),
                  {count, width}, entry.dtype);
  }

  std::vector<TensorInfo> tensors() const override {
    std::vector<TensorInfo> all;
    for (const auto& tensor : file_.tensors()) all.push_back({tensor.name, tensor.dtype, tensor.shape});
    return all;
  }

 private:
  SafetensorsFile file_;
};

}  // namespace

std::unique_ptr<WeightFile> open_weight_file(const fs::path& file) {
  if (file.extension() == ".bin") return std::make_unique<TorchFile>(file);
  return std::make_unique<SafetensorsWeights>(file);
}

uint64_t num_bytes(const TensorInfo& tensor) {
  return static_cast<uint64_t>(num_elements(tensor.shape).value()) * static_cast<uint64_t>(size_of(tensor.dtype));
}

HfWeights::HfWeights(const fs::path& folder) {
  for (const auto& [whole, index] :
       {std::pair{kHfWeightsFile, kHfIndexFile}, std::pair{kTorchWeightsFile, kTorchIndexFile}}) {
    if (is_there(folder / whole))
      open_one(path_inside(folder, whole, folder));
    else if (is_there(folder / index))
      open_shards(folder, path_inside(folder, index, folder));
    if (files_.empty()) continue;
    place_tensors();
    return;
  }
  throw DataError(fmt::format("{}: holds no weights: none of {}, {}, {} and {} is there", folder.string(),
                              kHfWeightsFile, kHfIndexFile, kTorchWeightsFile, kTorchIndexFile));
}

void HfWeights::open_one(const fs::path& file) {
  files_.push_back(open_weight_file(file));
}

void HfWeights::open_shards(const fs::path& folder, const fs::path& index) {
  const auto weight_map = read_weight_map(index);
  std::map<std::string, size_t> number_of_shard;
  for (const auto& [name, shard] : weight_map)
    if (number_of_shard.emplace(shard, files_.size()).second) files_.push_back(open_weight_file(path_inside(folder, shard, index)));
  std::vector<std::string> not_there, not_listed;
  for (const auto& [name, shard] : weight_map)
    if (!files_[number_of_shard.at(shard)]->contains(name)) not_there.push_back(name);
  for (const auto& file : files_)
    for (const auto& tensor : file->tensors())
      if (!weight_map.contains(tensor.name)) not_listed.push_back(tensor.name);
  warn_of(index, not_there, "listed for a file that does not hold it");
  warn_of(index, not_listed, "in one of its files and not listed");
}

void HfWeights::place_tensors() {
  std::vector<std::string> names;
  for (const auto& file : files_)
    for (const auto& tensor : file->tensors()) names.push_back(tensor.name);
  const FusedExperts fused(names);
  for (size_t i = 0; i < files_.size(); ++i) {
    auto& places = places_.emplace_back();
    for (const auto& tensor : files_[i]->tensors())
      for (auto& place : fused.places(tensor, files_[i]->path().string())) {
        if (!found_.emplace(place.info.name, Found{i, places.size()}).second)
          throw DataError(fmt::format("{}: tensor {} is there twice", files_[i]->path().string(), in_quotes(place.info.name)));
        places.push_back(std::move(place));
      }
  }
}

std::vector<TensorInfo> HfWeights::tensors() const {
  std::vector<TensorInfo> all;
  for (const auto& file : files_)
    for (auto& tensor : tensors_of(*file)) all.push_back(std::move(tensor));
  return all;
}

std::vector<TensorInfo> HfWeights::tensors_of(const WeightFile& file) const {
  const auto found = std::find_if(files_.begin(), files_.end(), [&](const auto& known) { return known.get() == &file; });
  std::vector<TensorInfo> all;
  for (const auto& place : places_.at(static_cast<size_t>(found - files_.begin()))) all.push_back(place.info);
  return all;
}

bool HfWeights::contains(const std::string& name) const { return found_.contains(name); }

const HfWeights::Found& HfWeights::found(const std::string& name) const {
  if (const auto found = found_.find(name); found != found_.end()) return found->second;
  throw DataError(fmt::format("{}: no tensor {}", files_.at(0)->path().string(), in_quotes(name)));
}

const TensorInfo& HfWeights::info(const std::string& name) const {
  const auto [file, place] = found(name);
  return places_[file][place].info;
}

at::Tensor HfWeights::load(const std::string& name) const {
  const auto [number, index] = found(name);
  const auto& place = places_[number][index];
  const auto& file = *files_[number];
  return place.first_row ? file.load_rows(place.stored, *place.first_row, place.info.shape[0]) : file.load(place.stored);
}

uint64_t HfWeights::total_bytes() const {
  uint64_t total = 0;
  for (const auto& tensor : tensors()) total += num_bytes(tensor);
  return total;
}

at::Tensor load_tensor(const SafetensorsFile& file, const std::string& name) {
  const TensorEntry& entry = find(file, name);
  return copied(file, file.bytes(entry), entry.shape, entry.dtype);
}

}  // namespace ingot::checkpoint
