#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ingot::data {

/// Which items share a pack. Pack p holds members[starts[p]] up to members[starts[p + 1]], ascending; packs are in the
/// order of their first members.
struct PackPlan {
  std::vector<uint64_t> members, starts;
  uint64_t num_packs() const { return starts.size() - 1; }
  std::span<const uint64_t> pack(uint64_t number) const {
    return std::span(members).subspan(starts[number], starts[number + 1] - starts[number]);
  }
};

/// Best fit by falling length: every item goes into the fullest pack that still has room for it. Depends on nothing but
/// its arguments. Every length must be at most `capacity`.
PackPlan pack_best_fit(std::span<const uint32_t> lengths, uint32_t capacity);

}  // namespace ingot::data
