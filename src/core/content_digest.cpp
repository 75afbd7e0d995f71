#include "core/content_digest.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <memory>

namespace ingot {
namespace {
constexpr size_t kDigestBlock = size_t{64} << 20, kWholeDigest = size_t{1} << 30;
}

std::string content_digest(const MappedFile& file) {
  struct Release {
    void operator()(XXH3_state_t* state) const { ::XXH3_freeState(state); }
  };
  const std::unique_ptr<XXH3_state_t, Release> state(::XXH3_createState());
  ::XXH3_64bits_reset(state.get());
  const auto bytes = file.bytes();
  const auto add = [&](size_t begin, size_t end) {
    for (; begin < end; begin += kDigestBlock) {
      const size_t length = std::min(kDigestBlock, end - begin);
      ::XXH3_64bits_update(state.get(), bytes.data() + begin, length);
      file.release(begin, length);
    }
  };
  if (bytes.size() < kWholeDigest) {
    add(0, bytes.size());
  } else {
    const size_t middle = (bytes.size() - kDigestBlock) / 2;
    add(0, kDigestBlock), add(middle, middle + kDigestBlock), add(bytes.size() - kDigestBlock, bytes.size());
  }
  return fmt::format("{:016x}", ::XXH3_64bits_digest(state.get()));
}

}  // namespace ingot
