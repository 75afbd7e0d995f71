#include "ops/linear_cross_entropy.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <utility>

#include "ops/fused.h"
#include "ops/simd.h"

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kIgnored = -100;
constexpr int64_t kChunkBytes = int64_t{128} << 20;  // of logits at a time

/// Which gradients the backward pass will ask for.
struct Wanted {
  bool d_hidden, d_weight;
  bool any() const { return d_hidden || d_weight; }
};

int64_t rows_per_chunk(const at::Tensor& weight) {
  const int64_t row_bytes = std::max<int64_t>(1, weight.size(0)) * weight.element_size();
  return std::clamp<int64_t>(kChunkBytes / row_bytes / 64 * 64, 64, 8192);
}

/// Sum of e^(x - max): fp32 within 256 terms, double over them.
template <class T>
double sum_of_exponentials(const T* logits, float max, int64_t n) {
  constexpr int64_t kBlock = 256;
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = std::min(n, begin + kBlock);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) sum += fast_exp(widen(logits[i]) - max);
    total += sum;
  }
  return total;
}

/// Returns the row's cross entropy; with `make_gradient` the logits become softmax(logits) - onehot(label).
template <class T>
double cross_entropy_row(T* logits, int64_t label, int64_t n, bool make_gradient) {
  float max = -INFINITY;
#pragma omp simd reduction(max : max)
  for (int64_t i = 0; i < n; ++i) max = std::max(max, widen(logits[i]));
  const double sum = sum_of_exponentials(logits, max, n);
  const float at_label = widen(logits[label]);
  if (make_gradient) {
    const float inverse = static_cast<float>(1 / sum);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) logits[i] = round_to<T>(fast_exp(widen(logits[i]) - max) * inverse);
    logits[label] = round_to<T>(fast_exp(at_label - max) * inverse - 1.0f);
  }
  return std::log(sum) + max - at_label;
}

/// Losses of the chunk's rows into `losses`; see cross_entropy_row.
void cross_entropy_rows(at::Tensor& logits, const int64_t* labels, double* losses, bool make_gradient) {
  const int64_t n = logits.size(1);
  visit_dtype(logits, [&]<class T>(T) {
    T* data = logits.mutable_data_ptr<T>();
    parallel_rows(logits.size(0), n,
                  [&](int64_t row) { losses[row] = cross_entropy_row(data + row * n, labels[row], n, make_gradient); });
  });
}

/// sum += aᵀ * b, in fp32 whatever the dtype of a and b.
void add_product(at::Tensor& sum, const at::Tensor& a, const at::Tensor& b) {
  if (!sum.defined())
    sum = at::mm(a.t(), b);
  else if (a.scalar_type() == at::kFloat)
    sum.addmm_(a.t(), b);
  else
    sum = sum.to(at::kFloat).add_(at::mm(a.t(), b));
}

struct Result {
  double loss = 0;
  at::Tensor d_hidden, d_weight;  // undefined unless wanted; d_weight may still be fp32
};

/// All rows count.
Result run_chunks(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& labels, Wanted wanted) {
  Result result;
  if (wanted.d_hidden) result.d_hidden = at::empty_like(hidden);
  const int64_t rows = hidden.size(0), chunk = std::min(rows, rows_per_chunk(weight));
  auto buffer = at::empty({chunk, weight.size(0)}, hidden.options());
  std::vector<double> losses(rows);
  for (int64_t begin = 0; begin < rows; begin += chunk) {
    const int64_t count = std::min(chunk, rows - begin);
    const auto h = hidden.narrow(0, begin, count);
    auto logits = buffer.narrow(0, 0, count);
    at::mm_out(logits, h, weight.t());
    cross_entropy_rows(logits, labels.const_data_ptr<int64_t>() + begin, losses.data() + begin, wanted.any());
    if (wanted.d_hidden) {
      auto d_h = result.d_hidden.narrow(0, begin, count);
      at::mm_out(d_h, logits, weight);
    }
    if (wanted.d_weight) add_product(result.d_weight, logits, h);
  }
  for (const double loss : losses) result.loss += loss;
  if (wanted.d_weight && rows == 0) result.d_weight = at::zeros_like(weight);
  return result;
}

/// Leaves out the rows whose label is ignored.
Result run_counted(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& labels, Wanted wanted) {
  const auto counted = labels.ne(kIgnored).nonzero().flatten();
  if (counted.numel() == labels.numel()) return run_chunks(hidden, weight, labels, wanted);
  auto result = run_chunks(hidden.index_select(0, counted), weight, labels.index_select(0, counted), wanted);
  if (wanted.d_hidden) result.d_hidden = at::zeros_like(hidden).index_copy_(0, counted, result.d_hidden);
  return result;
}

at::Tensor scaled(const at::Tensor& gradient, double factor, at::ScalarType dtype) {
  if (!gradient.defined()) return {};
  return (factor == 1 ? gradient : gradient * factor).to(dtype);
}

struct LinearCrossEntropy : torch::autograd::Function<LinearCrossEntropy> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& hidden, const at::Tensor& weight,
                            const at::Tensor& labels, Wanted wanted) {
    const auto result = run_counted(hidden.contiguous(), weight.contiguous(), labels.contiguous(), wanted);
    ctx->save_for_backward({result.d_hidden, result.d_weight});
    return at::full({}, result.loss, hidden.options().dtype(at::kFloat));
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto factor = grads[0].item<double>();
    const auto dtype = (saved[0].defined() ? saved[0] : saved[1]).scalar_type();
    return {scaled(saved[0], factor, dtype), scaled(saved[1], factor, dtype), {}, {}};
  }
};

}  // namespace

at::Tensor linear_cross_entropy(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& labels) {
  TORCH_CHECK(hidden.dim() == 2 && weight.dim() == 2 && hidden.size(1) == weight.size(1) && labels.dim() == 1 &&
                  labels.size(0) == hidden.size(0) && labels.scalar_type() == at::kLong,
              "linear_cross_entropy: hidden ", hidden.sizes(), ", weight ", weight.sizes(), " and int64 labels ",
              labels.sizes(), " do not fit");
  if (!has_fused_kernel({hidden, weight})) return linear_cross_entropy_composite(hidden, weight, labels);
  TORCH_CHECK(labels.eq(kIgnored).logical_or(labels.ge(0).logical_and(labels.lt(weight.size(0)))).all().item<bool>(),
              "linear_cross_entropy: a label is neither -100 nor in [0, ", weight.size(0), ")");
  const bool recording = at::GradMode::is_enabled();
  const Wanted wanted{recording && hidden.requires_grad(), recording && weight.requires_grad()};
  return LinearCrossEntropy::apply(hidden, weight, labels, wanted);
}

at::Tensor linear_cross_entropy_composite(const at::Tensor& hidden, const at::Tensor& weight,
                                          const at::Tensor& labels) {
  const auto logits = at::mm(hidden, weight.t());
  const auto wide = logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto log_probabilities = at::log_softmax(logits, 1, wide);
  return at::nll_loss(log_probabilities, labels, {}, at::Reduction::Sum, kIgnored).to(at::kFloat);
}

}  // namespace ingot::ops
