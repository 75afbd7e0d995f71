#pragma once

#include <cstdint>

#include "parallel/communicator.h"

namespace ingot::parallel {

/// A group goes through autograd's graph as its address: it outlives every pass.
inline int64_t address_of(Communicator& ranks) { return reinterpret_cast<int64_t>(&ranks); }
inline Communicator& group_at(int64_t address) { return *reinterpret_cast<Communicator*>(address); }

}  // namespace ingot::parallel
