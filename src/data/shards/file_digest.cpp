#include "data/shards/file_digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "core/error.h"
#include "core/progress.h"
#include "core/stop.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

constexpr size_t kHashPiece = size_t{8} << 20;

std::string sha256_of(const fs::path& file) {
  const MappedFile mapped(file);
  const std::span<const std::byte> bytes = mapped.bytes();
  Progress progress("checking " + file.filename().string(), bytes.size(), "B");
  Sha256 hash;
  for (size_t at = 0; at < bytes.size(); at += kHashPiece) {
    if (stop_requested()) throw Error(kExitTerminated, fmt::format("{}: stopped while checking it", file.string()));
    const auto piece = bytes.subspan(at, std::min(kHashPiece, bytes.size() - at));
    hash.add(piece.data(), piece.size());
    mapped.release(at, piece.size());
    progress.add(piece.size());
  }
  return hash.hex();
}

}  // namespace

Json digest_json(const FileDigest& digest) { return {{"bytes", digest.bytes}, {"sha256", digest.sha256}}; }

bool is_whole(const fs::path& file, const Json& digest) {
  std::error_code error;  // sizes are compared first, because hashing a large file takes long
  return fs::file_size(file, error) == digest.at("bytes").get<uint64_t>() && !error &&
         sha256_of(file) == digest.at("sha256").get<std::string>();
}

}  // namespace ingot::data
