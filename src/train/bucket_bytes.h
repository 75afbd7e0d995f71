#pragma once

#include <cstdint>

namespace ingot::train {

/// Of tensors that travel together from rank to rank: enough for the wire, and few enough to leave early.
constexpr int64_t kBucketBytes = int64_t{25} << 20;

}  // namespace ingot::train
