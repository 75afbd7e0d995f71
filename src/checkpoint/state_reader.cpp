#include "checkpoint/state_reader.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <map>
#include <stdexcept>

#include "checkpoint/checkpoint_name.h"
#include "checkpoint/hf_folder.h"
#include "checkpoint/manifest.h"
#include "checkpoint/state_check.h"
#include "core/error.h"
#include "core/file.h"
#include "core/printable.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

/// The part of `tensor`, which holds `slice` of a whole one, that `part` of the whole one is.
at::Tensor part_of(at::Tensor tensor, const Slice& slice, const Slice& part) {
  for (size_t dim = 0; dim < part.offset.size(); ++dim)
    tensor = tensor.narrow(static_cast<int64_t>(dim), part.offset[dim] - slice.offset[dim], part.extent[dim]);
  return tensor;
}

}  // namespace

struct StateReader::Impl {
  Impl(const fs::path& of, const std::optional<std::set<std::string>>& some) : folder(of), manifest(read_manifest(of / kManifestFile)) {
    files = open_checked(folder, manifest, some ? *some : names_of_files(manifest));
    for (const auto& tensor : manifest.tensors) by_name.emplace(tensor.name, &tensor);
  }

  [[noreturn]] void fail(const std::string& name, const std::string& problem) const {
    throw DataError(fmt::format("{}: tensor {}: {}", (folder / kManifestFile).string(), in_quotes(name), problem));
  }

  const TensorRecord& find(const std::string& name) const {
    const auto found = by_name.find(name);
    if (found == by_name.end()) fail(name, "is not there");
    return *found->second;
  }

  /// Copies `slice` of a tensor from every piece that has a part of it.
  void copy(const TensorRecord& tensor, const Slice& slice, at::Tensor& into) const {
    const at::NoGradGuard no_grad;
    for (const auto& piece : tensor.pieces) {
      const auto part = common_part(piece.slice, slice);
      if (!part) continue;
      const auto opened = files.find(piece.file);
      if (opened == files.end()) fail(tensor.name, fmt::format("its part {} is in {}, which is on another disk", to_string(piece.slice), piece.file));
      const SafetensorsFile& file = opened->second;
      const auto bytes = file.bytes(*file.find(piece_name(tensor.name, tensor.shape, piece.slice)));
      const auto stored = at::from_blob(const_cast<std::byte*>(bytes.data()), piece.slice.extent, to_scalar_type(tensor.dtype));
      part_of(into, slice, *part).copy_(part_of(stored, piece.slice, *part));
      file.file().release(static_cast<size_t>(bytes.data() - file.file().bytes().data()), bytes.size());
    }
  }

  fs::path folder;
  Manifest manifest;
  std::map<std::string, SafetensorsFile> files;
  std::map<std::string, const TensorRecord*> by_name;
};

StateReader::StateReader(const fs::path& folder, const std::optional<std::set<std::string>>& files) : impl_(std::make_unique<Impl>(folder, files)) {}
StateReader::~StateReader() = default;
StateReader::StateReader(StateReader&&) noexcept = default;
StateReader& StateReader::operator=(StateReader&&) noexcept = default;

const fs::path& StateReader::folder() const { return impl_->folder; }
int64_t StateReader::step() const { return impl_->manifest.step; }
const Json& StateReader::state() const { return impl_->manifest.state; }
bool StateReader::contains(const std::string& name) const { return impl_->by_name.contains(name); }

std::vector<TensorInfo> StateReader::tensors() const {
  std::vector<TensorInfo> all;
  for (const auto& tensor : impl_->manifest.tensors) all.push_back({tensor.name, tensor.dtype, tensor.shape});
  return all;
}

at::Tensor StateReader::read(const std::string& name, const Slice& slice) const {
  const TensorRecord& tensor = impl_->find(name);
  if (!lies_within(slice, tensor.shape))
    impl_->fail(name, fmt::format("found shape {}, wanted one that holds {}", to_string(tensor.shape), to_string(slice)));
  auto value = at::empty(slice.extent, to_scalar_type(tensor.dtype));
  impl_->copy(tensor, slice, value);
  return value;
}

at::Tensor StateReader::read(const std::string& name) const { return read(name, whole_of(impl_->find(name).shape)); }

void StateReader::read_into(const std::string& name, at::Tensor into) const {
  const TensorRecord& tensor = impl_->find(name);
  if (into.sizes() != at::IntArrayRef(tensor.shape) || into.scalar_type() != to_scalar_type(tensor.dtype))
    throw std::logic_error("tensor " + name + " is read into another kind");
  impl_->copy(tensor, whole_of(tensor.shape), into);
}

}  // namespace ingot::checkpoint
