#pragma once

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// Every row divided by its length: w / max(|w|, 1e-12), lengths in fp32. The gradient goes through the division.
///   weight   [rows, columns]
///   returns  like weight
at::Tensor unit_rows(const at::Tensor& weight);

/// Plain reference of unit_rows made of ATen calls, for other devices and tests.
at::Tensor unit_rows_composite(const at::Tensor& weight);

}  // namespace ingot::ops
