#include "checkpoint/torch/torch_file.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "checkpoint/hf_folder.h"
#include "checkpoint/torch/strided_copy.h"
#include "core/error.h"
#include "core/printable.h"

namespace ingot::checkpoint {
namespace {

// Tied tensors share a storage and expanded ones are larger than theirs; a small file must not fill the memory all the
// same.
constexpr uint64_t kMaxGrowth = 8;

}  // namespace

TorchFile::TorchFile(const std::filesystem::path& file)
    : file_(file), contents_(read_torch_contents(file_.bytes(), file.string())) {
  const auto* items = items_of(contents_.object.containers, contents_.object.root, PickleItems::Kind::kDict);
  if (!items) throw DataError(fmt::format("{}: holds no dict of tensors", file.string()));
  for (size_t i = 0; i < items->size(); i += 2) add_tensor((*items)[i], (*items)[i + 1]);
  uint64_t total = 0;
  for (const auto& tensor : tensors())
    if (__builtin_add_overflow(total, num_bytes(tensor), &total) || total / kMaxGrowth > file_.bytes().size())
      throw DataError(fmt::format("{}: its tensors take more than {} times the {} bytes of the file", file.string(),
                                  kMaxGrowth, file_.bytes().size()));
}

void TorchFile::add_tensor(const PickleValue& name, const PickleValue& value) {
  const auto* text = std::get_if<std::string_view>(&name);
  if (!text) throw DataError(fmt::format("{}: its dict has a key that is no text", path().string()));
  const auto* tensor = std::get_if<PickleTensor>(&value);
  if (!tensor)
    throw DataError(fmt::format("{}: {} is no tensor, wanted a dict of tensors", path().string(), in_quotes(*text)));
  const TorchTensor& found = contents_.object.tensors[tensor->index];
  if (!by_name_.emplace(*text, &found).second)
    throw DataError(fmt::format("{}: tensor {} stands twice", path().string(), in_quotes(*text)));
  storage_of(std::string(*text), found);
}

ByteRange TorchFile::storage_of(const std::string& name, const TorchTensor& tensor) const {
  const TorchStorage& storage = tensor.storage;
  const auto found = contents_.storages.find(storage.key);
  if (found == contents_.storages.end())
    throw DataError(fmt::format("{}: tensor {}: storage {} is not in the file", path().string(), in_quotes(name),
                                in_quotes(storage.key)));
  uint64_t wanted = 0;
  if (__builtin_mul_overflow(static_cast<uint64_t>(storage.numel), size_of(storage.dtype), &wanted) ||
      wanted != found->second.size)
    throw DataError(fmt::format("{}: tensor {}: its storage of {} {} has {} bytes", path().string(), in_quotes(name),
                                storage.numel, safetensors_name(storage.dtype), found->second.size));
  return found->second;
}

std::vector<TensorInfo> TorchFile::tensors() const {
  std::vector<TensorInfo> all;
  for (const auto& [name, tensor] : by_name_) all.push_back({name, tensor->storage.dtype, tensor->shape});
  return all;
}

at::Tensor TorchFile::load(const std::string& name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) throw DataError(fmt::format("{}: no tensor {}", path().string(), in_quotes(name)));
  const TorchTensor& view = *found->second;
  const ByteRange storage = storage_of(name, view);
  auto tensor = at::empty(view.shape, to_scalar_type(view.storage.dtype));
  if (tensor.numel() == 0) return tensor;
  const auto size = static_cast<uint64_t>(size_of(view.storage.dtype));
  const std::byte* first = file_.bytes().data() + storage.offset + static_cast<uint64_t>(view.offset) * size;
  copy_strided(first, {view.shape, view.strides, size}, static_cast<std::byte*>(tensor.mutable_data_ptr()));
  file_.release(storage.offset, storage.size);
  return tensor;
}

at::Tensor TorchFile::load_rows(const std::string& name, int64_t first, int64_t count) const {
  return load(name).flatten(0, -2).narrow(0, first, count).clone();
}

}  // namespace ingot::checkpoint
