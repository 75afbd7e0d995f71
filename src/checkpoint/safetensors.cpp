#include "checkpoint/safetensors.h"

#include <fmt/format.h>

#include <stdexcept>

#include "checkpoint/safetensors_header.h"
#include "core/error.h"
#include "core/printable.h"
#include "core/sha256.h"

namespace ingot::checkpoint {
namespace {

constexpr uint64_t kLengthBytes = 8;

/// The header's length, checked against the file's.
uint64_t header_length(const MappedFile& file) {
  const auto bytes = file.bytes();
  if (bytes.size() < kLengthBytes)
    throw DataError(fmt::format("{}: {} bytes, too short for a safetensors file", file.path().string(), bytes.size()));
  uint64_t length = 0;
  for (size_t i = kLengthBytes; i-- > 0;) length = length << 8 | std::to_integer<uint64_t>(bytes[i]);
  if (length > kMaxSafetensorsHeader || length > bytes.size() - kLengthBytes)
    throw DataError(fmt::format("{}: header length {}, wanted at most {} ({} bytes in the file)", file.path().string(),
                                length, kMaxSafetensorsHeader, bytes.size()));
  return length;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& file) : file_(std::make_shared<MappedFile>(file)) {
  const uint64_t length = header_length(*file_);
  data_start_ = kLengthBytes + length;
  const auto* text = reinterpret_cast<const char*>(file_->bytes().data()) + kLengthBytes;
  auto header = parse_safetensors_header({text, length}, file_->bytes().size() - data_start_, file.string());
  tensors_ = std::move(header.tensors);
  metadata_ = std::move(header.metadata);
  for (size_t i = 0; i < tensors_.size(); ++i) by_name_.emplace(tensors_[i].name, i);
}

const TensorEntry* SafetensorsFile::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

std::span<const std::byte> SafetensorsFile::bytes(const TensorEntry& tensor) const {
  return file_->bytes().subspan(data_start_ + tensor.begin, tensor.end - tensor.begin);
}

std::string write_safetensors(const std::filesystem::path& file, std::vector<TensorSource> tensors,
                              const std::map<std::string, std::string>& metadata) {
  std::vector<TensorEntry> entries;
  std::map<std::string, const TensorSource*> sources;
  for (const auto& tensor : tensors) {
    entries.push_back({tensor.name, tensor.dtype, tensor.shape});
    if (!sources.emplace(tensor.name, &tensor).second) throw std::logic_error("tensor " + tensor.name + " twice");
  }
  entries = lay_out_tensors(std::move(entries));
  AtomicFile out(file);
  Sha256 hash;
  const auto put = [&](std::string_view bytes) { hash.add(bytes.data(), bytes.size()), out.write(bytes); };
  put(build_safetensors_header(entries, metadata));
  for (const auto& entry : entries) {
    const uint64_t begin = out.size();
    sources.at(entry.name)->produce(put);
    if (out.size() - begin != entry.end - entry.begin) throw std::logic_error("tensor " + entry.name + ": wrong size");
  }
  out.commit();
  return hash.hex();
}

}  // namespace ingot::checkpoint
