#include "checkpoint/state_writer.h"

#include <fmt/format.h>

#include <span>
#include <stdexcept>

#include "checkpoint/checkpoint_name.h"
#include "checkpoint/manifest.h"
#include "checkpoint/safetensors_header.h"
#include "checkpoint/shard_plan.h"
#include "checkpoint/slice_cover.h"
#include "core/content_digest.h"
#include "core/file.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

constexpr size_t kChunk = size_t{1} << 20;  // hashed and then written while the CPU's cache still holds it

uint64_t num_bytes(const StatePiece& piece) {
  return static_cast<uint64_t>(num_elements(piece.slice.extent).value_or(0) * size_of(piece.dtype));
}

/// Of the names of a writer's files.
std::string stem_of(WriterPlace place) { return place.count == 1 ? "state" : fmt::format("state-{:05}", place.index); }

std::string name_of(const StatePiece& piece) { return piece_name(piece.tensor, piece.shape, piece.slice); }

}  // namespace

/// A file under construction: the header first, then the pieces at their places as they come.
class PieceFile {
 public:
  PieceFile(fs::path path, std::vector<TensorEntry> entries) : path_(std::move(path)), num_missing_(entries.size()) {
    entries = lay_out_tensors(std::move(entries));
    header_ = build_safetensors_header(entries, {});
    size_ = header_.size() + entries.back().end;
    for (auto& entry : entries) entries_.emplace(entry.name, entry);
  }

  const fs::path& path() const { return path_; }
  bool is_whole() const { return num_missing_ == 0; }

  /// Returns the digest of the bytes.
  std::string put(const std::string& name, std::string_view bytes) {
    const auto& entry = entries_.at(name);
    if (bytes.size() != entry.end - entry.begin) throw std::logic_error("piece " + name + " has another size");
    if (!out_) (out_ = std::make_unique<AtomicFile>(path_))->write(header_);
    ContentDigest digest;
    for (size_t begin = 0; begin < bytes.size(); begin += kChunk) {
      const auto chunk = bytes.substr(begin, kChunk);
      digest.add(std::as_bytes(std::span(chunk)));
      out_->write_at(header_.size() + entry.begin + begin, chunk.data(), chunk.size());
    }
    if (--num_missing_ == 0) out_->commit();
    return digest.hex();
  }

  FileRecord record() const {
    return {size_, ContentDigest().add(std::as_bytes(std::span(header_))).hex(), ""};
  }

 private:
  fs::path path_;
  std::map<std::string, TensorEntry> entries_;
  std::string header_;
  uint64_t size_ = 0;
  size_t num_missing_;
  std::unique_ptr<AtomicFile> out_;
};

struct StateWriter::Impl {
  struct Place { size_t tensor, piece, file; };

  /// Adds the piece to its tensor's record.
  void announce(const StatePiece& piece, size_t file) {
    const auto [known, is_new] = tensors.emplace(piece.tensor, manifest.tensors.size());
    if (is_new) manifest.tensors.push_back({piece.tensor, piece.dtype, piece.shape, {}});
    auto& tensor = manifest.tensors[known->second];
    if (tensor.dtype != piece.dtype || tensor.shape != piece.shape)
      throw std::logic_error("pieces of tensor " + piece.tensor + " are of different tensors");
    if (!places.emplace(name_of(piece), Place{known->second, tensor.pieces.size(), file}).second)
      throw std::logic_error("piece " + name_of(piece) + " twice");
    tensor.pieces.push_back({piece.slice, files[file].path().filename().string(), ""});
  }

  void check_cover() const {
    for (const auto& tensor : manifest.tensors) {
      std::vector<Slice> slices;
      for (const auto& piece : tensor.pieces) slices.push_back(piece.slice);
      if (const auto problem = cover_problem(tensor.shape, slices))
        throw std::logic_error("tensor " + tensor.name + ": pieces" + *problem);
    }
  }

  void note_files() {
    for (const auto& file : files) {
      if (!file.is_whole()) throw std::logic_error(file.path().string() + " lacks pieces");
      manifest.files[file.path().filename().string()] = file.record();
    }
  }

  /// What another writer has written.
  void take_up(const Manifest& other) {
    manifest.files.insert(other.files.begin(), other.files.end());
    for (const auto& tensor : other.tensors) {
      const auto [known, is_new] = tensors.emplace(tensor.name, manifest.tensors.size());
      if (is_new) manifest.tensors.push_back(tensor);
      else manifest.tensors[known->second].pieces.insert(manifest.tensors[known->second].pieces.end(), tensor.pieces.begin(), tensor.pieces.end());
    }
  }

  fs::path folder;
  Manifest manifest;
  std::map<std::string, size_t> tensors;  // places in the manifest
  std::map<std::string, Place> places;    // by piece_name
  std::vector<PieceFile> files;
};

StateWriter::StateWriter(fs::path folder, std::vector<StatePiece> pieces, uint64_t max_file_bytes, WriterPlace place)
    : impl_(std::make_unique<Impl>()) {
  impl_->folder = std::move(folder);
  std::vector<uint64_t> sizes;
  for (const auto& piece : pieces) sizes.push_back(num_bytes(piece));
  const auto shards = plan_shards(sizes, max_file_bytes);
  std::vector<size_t> file_of(pieces.size());
  for (size_t i = 0; i < shards.size() && !pieces.empty(); ++i) {
    std::vector<TensorEntry> entries;
    for (const size_t number : shards[i]) {
      const auto& piece = pieces[number];
      entries.push_back({name_of(piece), piece.dtype, piece.slice.extent});
      file_of[number] = i;
    }
    impl_->files.emplace_back(impl_->folder / shard_name(stem_of(place), i, shards.size()), std::move(entries));
  }
  for (size_t i = 0; i < pieces.size(); ++i) impl_->announce(pieces[i], file_of[i]);
  if (place.count == 1) impl_->check_cover();
}

StateWriter::~StateWriter() = default;

void StateWriter::put(const std::string& tensor, const Slice& slice, std::string_view bytes) {
  const auto known = impl_->tensors.find(tensor);
  const std::string name = known == impl_->tensors.end() ? tensor : piece_name(tensor, impl_->manifest.tensors[known->second].shape, slice);
  const auto found = impl_->places.find(name);
  if (found == impl_->places.end()) throw std::logic_error("piece " + name + " was not announced");
  const auto [owner, piece, file] = found->second;
  impl_->manifest.tensors[owner].pieces[piece].digest = impl_->files[file].put(name, bytes);
}

std::string StateWriter::manifest(int64_t step, const Json& state, const std::vector<std::string>& others) {
  impl_->note_files();
  for (size_t i = 0; i < others.size(); ++i) impl_->take_up(read_manifest_part(others[i], fmt::format("the part of writer {}", i + 1)));
  impl_->check_cover();
  impl_->manifest.step = step;
  impl_->manifest.state = state;
  return format_manifest(impl_->manifest);
}

std::string StateWriter::part() {
  impl_->note_files();
  return format_manifest(impl_->manifest);
}

}  // namespace ingot::checkpoint
