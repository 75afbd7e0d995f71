#pragma once

#include <ATen/core/Tensor.h>

namespace ingot::train {

/// FLOP/s of the best product of two n x n matrices seen on this device, 2 * n^3 FLOPs each, with n doubled from 256 to
/// at most 4096 while the whole stays within half a second. It is the yardstick of `peak_share`.
double measure_matrix_rate(at::ScalarType dtype, const at::Device& device);

}  // namespace ingot::train
