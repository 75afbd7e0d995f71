#include "data/tokenizer/word_cache.h"

#include <atomic>

namespace ingot::data {

WordCache& WordCache::of_thread() {
  thread_local WordCache cache;
  return cache;
}

uint32_t WordCache::new_owner() {
  static std::atomic<uint32_t> last{0};
  return ++last;
}

}  // namespace ingot::data
