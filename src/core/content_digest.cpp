#include "core/content_digest.h"

#include <fmt/format.h>

#define XXH_STATIC_LINKING_ONLY  // the state's size
#include <xxhash.h>

#include <algorithm>

namespace ingot {
namespace {
constexpr size_t kDigestBlock = size_t{64} << 20, kWholeDigest = size_t{1} << 30;
}

struct ContentDigest::State {
  XXH3_state_t hash;
};

ContentDigest::ContentDigest() : state_(std::make_unique<State>()) { ::XXH3_64bits_reset(&state_->hash); }
ContentDigest::~ContentDigest() = default;

ContentDigest& ContentDigest::add(std::span<const std::byte> bytes) {
  ::XXH3_64bits_update(&state_->hash, bytes.data(), bytes.size());
  return *this;
}

std::string ContentDigest::hex() const { return fmt::format("{:016x}", ::XXH3_64bits_digest(&state_->hash)); }

std::string content_digest(const MappedFile& file) {
  ContentDigest digest;
  const auto bytes = file.bytes();
  const auto add = [&](size_t begin, size_t end) {
    for (; begin < end; begin += kDigestBlock) {
      const size_t length = std::min(kDigestBlock, end - begin);
      digest.add(bytes.subspan(begin, length));
      file.release(begin, length);
    }
  };
  if (bytes.size() < kWholeDigest) {
    add(0, bytes.size());
  } else {
    const size_t middle = (bytes.size() - kDigestBlock) / 2;
    add(0, kDigestBlock), add(middle, middle + kDigestBlock), add(bytes.size() - kDigestBlock, bytes.size());
  }
  return digest.hex();
}

}  // namespace ingot
