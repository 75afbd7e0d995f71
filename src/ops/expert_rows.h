#pragma once

#include <ATen/core/Tensor.h>

#include "ops/expert_routing.h"

namespace ingot::ops {

/// The rows of x in the order of their experts, one for each choice. The gradient of a token is the sum over its
/// choices, in float32.
///   x        [tokens, width]
///   returns  [tokens * choices, width]
at::Tensor gather_rows(const at::Tensor& x, const ExpertOrder& order);

/// Each token's sum over its choices of weight * row, in float32, rounded once.
///   rows     [tokens * choices, width]  in the order of their experts
///   weights  [tokens, choices]          float32
///   returns  [tokens, width]            of the rows' dtype
at::Tensor combine_rows(const at::Tensor& rows, const at::Tensor& weights, const ExpertOrder& order);

/// Plain references made of ATen calls, for other devices and tests.
at::Tensor gather_rows_composite(const at::Tensor& x, const ExpertOrder& order);
at::Tensor combine_rows_composite(const at::Tensor& rows, const at::Tensor& weights, const ExpertOrder& order);

}  // namespace ingot::ops
