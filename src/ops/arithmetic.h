#pragma once

#include "core/json.h"

namespace ingot::ops {

/// What the bits of a result depend on beside its inputs: threads, instruction set, version of our kernels and of LibTorch. Runs of
/// which one of these differs agree within rounding.
Json arithmetic();

}  // namespace ingot::ops
