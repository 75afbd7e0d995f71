#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <unordered_map>

namespace ingot {

/// Large pieces of memory, each of whole pages of its own. What is given back is kept for the next piece, which then finds its pages there
/// already, as long as no more is held in all than was ever in use at one time: a program's memory is the sum of what it uses in its
/// fullest moment, and nothing lies idle between. A heap, where long-lived pieces lie among short-lived ones, takes a tenth to a fifth more.
class PageBlocks {
 public:
  static constexpr size_t kLeast = size_t{256} << 10;  // bytes of a piece that is worth pages of its own

  PageBlocks() = default;
  PageBlocks(const PageBlocks&) = delete;
  PageBlocks& operator=(const PageBlocks&) = delete;
  ~PageBlocks() { shrink_to(0); }

  /// Of a multiple of the page's size; its bytes are anything. Null where the system has no more.
  void* take(size_t bytes);
  /// False for a piece that is not of here.
  bool give_back(void* piece);

  /// Keeps nothing, and forgets the fullest moment: the next phase of a program has one of its own.
  void let_go();

  size_t used() const;   // bytes
  size_t held() const;   // bytes, used ones and those that are kept
  size_t most_used() const;

 private:
  void* take_kept(size_t size);
  void keep(void* piece, size_t size);
  void shrink_to(size_t kept);

  mutable std::mutex mutex_;
  std::unordered_map<void*, size_t> pieces_;   // in use, with their sizes
  std::multimap<size_t, void*> kept_;          // by size
  size_t used_ = 0, kept_bytes_ = 0, most_used_ = 0;
};

}  // namespace ingot
