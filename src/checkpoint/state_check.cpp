#include "checkpoint/state_check.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>

#include "checkpoint/checkpoint_name.h"
#include "core/content_digest.h"
#include "core/error.h"
#include "core/file.h"
#include "core/printable.h"
#include "core/progress.h"
#include "core/sha256.h"
#include "core/stop.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

constexpr size_t kHashChunk = size_t{16} << 20;

/// Bytes of a file and the digest that they must have.
struct Check {
  const MappedFile* file;
  std::span<const std::byte> bytes;
  std::string wanted;
  std::string what;  // for messages: "sha256", or "digest of tensor ..."
};

/// Gives the bytes to `add` piece by piece and lets their pages go.
template <class Add>
void pass_over(const Check& check, Progress& progress, const Add& add) {
  const auto start = static_cast<size_t>(check.bytes.data() - check.file->bytes().data());
  for (size_t begin = 0; begin < check.bytes.size(); begin += kHashChunk) {
    end_if_stopped("checking a checkpoint, nothing is lost");
    const auto chunk = check.bytes.subspan(begin, std::min(kHashChunk, check.bytes.size() - begin));
    add(chunk);
    check.file->release(start + begin, chunk.size());
    progress.add(chunk.size());
  }
}

void expect_digest(const Check& check, const std::string& found) {
  if (found != check.wanted)
    throw DataError(fmt::format("{}: {} is {}, wanted {}", check.file->path().string(), check.what, found, in_quotes(check.wanted)));
}

void check_digest(const Check& check, Progress& progress) {
  ContentDigest digest;
  pass_over(check, progress, [&](std::span<const std::byte> chunk) { digest.add(chunk); });
  expect_digest(check, digest.hex());
}

void check_sha256(const Check& check, Progress& progress) {
  Sha256 hash;
  pass_over(check, progress, [&](std::span<const std::byte> chunk) { hash.add(chunk.data(), chunk.size()); });
  expect_digest(check, hash.hex());
}

/// All checks at once, each by one thread.
void run_checks(const std::string& name, const std::vector<Check>& checks, void (*check_one)(const Check&, Progress&)) {
  uint64_t total = 0;
  for (const auto& check : checks) total += check.bytes.size();
  Progress progress("checking " + name, total, "B");
  at::parallel_for(0, static_cast<int64_t>(checks.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) check_one(checks[static_cast<size_t>(i)], progress);
  });
}

void check_size(const MappedFile& file, const FileRecord& wanted) {
  if (file.bytes().size() != wanted.size)
    throw DataError(fmt::format("{}: {} bytes, wanted {}", file.path().string(), file.bytes().size(), wanted.size));
}

/// Files of version 1 have a digest of the whole, which is checked before their header is read.
void check_whole_files(const fs::path& folder, const Manifest& manifest, const std::set<std::string>& names) {
  std::vector<std::unique_ptr<MappedFile>> files;
  std::vector<Check> checks;
  for (const auto& [name, record] : manifest.files) {
    if (record.sha256.empty() || !names.contains(name)) continue;
    const auto& file = files.emplace_back(std::make_unique<MappedFile>(path_inside(folder, name, folder / kManifestFile)));
    check_size(*file, record);
    checks.push_back({file.get(), file->bytes(), record.sha256, "sha256"});
  }
  if (!checks.empty()) run_checks(folder.filename().string(), checks, check_sha256);
}

/// The digests of headers and pieces.
std::vector<Check> digests_of(const std::map<std::string, SafetensorsFile>& files, const Manifest& manifest) {
  std::vector<Check> checks;
  for (const auto& [name, file] : files) {
    const auto& record = manifest.files.at(name);
    if (record.sha256.empty()) checks.push_back({&file.file(), file.header(), record.header_digest, "digest of the header"});
  }
  for (const auto& tensor : manifest.tensors)
    for (const auto& piece : tensor.pieces) {
      const auto opened = files.find(piece.file);
      if (opened == files.end()) continue;
      const std::string name = piece_name(tensor.name, tensor.shape, piece.slice);
      const auto& file = opened->second;
      if (manifest.files.at(piece.file).sha256.empty())
        checks.push_back({&file.file(), file.bytes(*file.find(name)), piece.digest, "digest of tensor " + in_quotes(name)});
    }
  return checks;
}

void check_places(const fs::path& manifest_file, const Manifest& manifest, const std::map<std::string, SafetensorsFile>& files) {
  for (const auto& tensor : manifest.tensors)
    for (const auto& piece : tensor.pieces) {
      const bool is_known = manifest.files.contains(piece.file);
      if (is_known && !files.contains(piece.file)) continue;  // not opened
      const std::string name = piece_name(tensor.name, tensor.shape, piece.slice);
      const auto found = files.find(piece.file);
      const TensorEntry* entry = found == files.end() ? nullptr : found->second.find(name);
      if (!entry || entry->dtype != tensor.dtype || entry->shape != piece.slice.extent)
        throw DataError(fmt::format("{}: tensor {} is not so in {}", manifest_file.string(), in_quotes(name), in_quotes(piece.file)));
    }
}

}  // namespace

std::map<std::string, SafetensorsFile> open_checked(const fs::path& folder, const Manifest& manifest, const std::set<std::string>& names) {
  check_whole_files(folder, manifest, names);
  std::map<std::string, SafetensorsFile> files;
  for (const auto& [name, record] : manifest.files) {
    if (!names.contains(name)) continue;
    const auto place = path_inside(folder, name, folder / kManifestFile);
    if (!fs::exists(place)) throw DataError(fmt::format("{}: is missing; of a run on several disks it is on another: copy it here", place.string()));
    const auto& file = files.emplace(name, place).first->second;
    check_size(file.file(), record);
  }
  check_places(folder / kManifestFile, manifest, files);
  const auto checks = digests_of(files, manifest);
  if (!checks.empty()) run_checks(folder.filename().string(), checks, check_digest);
  return files;
}

}  // namespace ingot::checkpoint
