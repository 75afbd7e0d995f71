#include "ops/tensor_pages.h"

#include <c10/core/CPUAllocator.h>

#include "core/page_blocks.h"

namespace ingot::ops {
namespace {

/// Lives as long as the process: tensors may outlive everything else.
PageBlocks& page_blocks() {
  static auto* blocks = new PageBlocks;
  return *blocks;
}

void release(void* piece) {
  if (piece != nullptr && !page_blocks().give_back(piece)) c10::GetDefaultCPUAllocator()->raw_deallocate(piece);
}

class PageAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* piece = bytes >= PageBlocks::kLeast ? page_blocks().take(bytes) : nullptr;
    if (piece == nullptr) piece = c10::GetDefaultCPUAllocator()->raw_allocate(bytes);  // says what was asked for where there is no more
    return {piece, piece, &release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }
};

}  // namespace

void use_page_blocks() {
  static PageAllocator allocator;
  c10::SetCPUAllocator(&allocator, /*priority=*/1);
}

void let_pages_go() { page_blocks().let_go(); }

}  // namespace ingot::ops
