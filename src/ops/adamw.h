#pragma once

#include <ATen/core/Tensor.h>

namespace ingot::ops {

struct AdamwArguments {
  double learning_rate, beta1, beta2, eps, weight_decay;
  int64_t step;             // 1 for the first update
  double gradient_scale;    // multiplies every gradient: clipping and 1/number of labels
};

/// One decoupled-decay Adam update in one pass over memory, in place. Source: Loshchilov and Hutter 2019, as
/// torch.optim.AdamW orders it: p -= lr*wd*p; m, v; p -= lr * (m/(1-b1^t)) / (sqrt(v/(1-b2^t)) + eps).
///   gradient  float32  any shape, contiguous like the others
///   master, first_moment, second_moment  float32
///   weight    bf16 copy of master that the model computes with, or undefined when the model computes with master
void adamw_step(const AdamwArguments& arguments, const at::Tensor& gradient, at::Tensor& master,
                at::Tensor& first_moment, at::Tensor& second_moment, at::Tensor& weight);

/// Sum of squares of all elements in double, the same for any number of threads.
double sum_of_squares(const at::Tensor& values);

}  // namespace ingot::ops
