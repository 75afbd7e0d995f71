#include "core/page_blocks.h"

#include <sys/mman.h>

#include <algorithm>

namespace ingot {
namespace {

constexpr size_t kPage = size_t{4} << 10;

size_t whole_pages(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

void* map_pages(size_t size) {
  void* piece = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return piece == MAP_FAILED ? nullptr : piece;
}

}  // namespace

void* PageBlocks::take(size_t bytes) {
  const size_t size = whole_pages(std::max(bytes, size_t{1}));
  const std::lock_guard lock(mutex_);
  void* piece = take_kept(size);
  if (piece == nullptr) {
    const size_t most = std::max(most_used_, used_ + size);
    shrink_to(most - used_ - size);  // a new piece takes the place of kept ones
    piece = map_pages(size);
    if (piece == nullptr) shrink_to(0), piece = map_pages(size);
    if (piece == nullptr) return nullptr;
  }
  pieces_.emplace(piece, size);
  used_ += size;
  most_used_ = std::max(most_used_, used_);
  return piece;
}

bool PageBlocks::give_back(void* piece) {
  const std::lock_guard lock(mutex_);
  const auto found = pieces_.find(piece);
  if (found == pieces_.end()) return false;
  const size_t size = found->second;
  pieces_.erase(found);
  used_ -= size;
  keep(piece, size);
  return true;
}

/// The smallest kept piece that is large enough; what it has too much stays kept.
void* PageBlocks::take_kept(size_t size) {
  const auto found = kept_.lower_bound(size);
  if (found == kept_.end()) return nullptr;
  const auto [whole, piece] = *found;
  kept_.erase(found);
  kept_bytes_ -= whole;
  if (whole > size) keep(static_cast<char*>(piece) + size, whole - size);
  return piece;
}

void PageBlocks::keep(void* piece, size_t size) {
  if (size < kLeast) {
    ::munmap(piece, size);
    return;
  }
  kept_.emplace(size, piece);
  kept_bytes_ += size;
}

/// Smallest first: they are the least use. The last of them gives only as much as is asked for.
void PageBlocks::shrink_to(size_t kept) {
  while (kept_bytes_ > kept) {
    const auto [size, piece] = *kept_.begin();
    kept_.erase(kept_.begin());
    kept_bytes_ -= size;
    const size_t surplus = kept > kept_bytes_ ? kept - kept_bytes_ : 0, left = surplus / kPage * kPage;
    ::munmap(static_cast<char*>(piece) + left, size - left);
    if (left > 0) keep(piece, left);
  }
}

void PageBlocks::let_go() {
  const std::lock_guard lock(mutex_);
  shrink_to(0);
  most_used_ = used_;
}

size_t PageBlocks::used() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

size_t PageBlocks::held() const {
  const std::lock_guard lock(mutex_);
  return used_ + kept_bytes_;
}

size_t PageBlocks::most_used() const {
  const std::lock_guard lock(mutex_);
  return most_used_;
}

}  // namespace ingot
