#pragma once

namespace ingot::ops {

/// From here on tensors on the CPU have pages of their own, kept for the next one as core/page_blocks.h says; small ones stay on the heap.
void use_page_blocks();

/// Gives back what is kept, at the end of a phase that needs more than what follows.
void let_pages_go();

}  // namespace ingot::ops
