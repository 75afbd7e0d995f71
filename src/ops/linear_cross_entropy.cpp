#include "ops/linear_cross_entropy.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include "core/shape.h"
#include "ops/dispatch.h"
#include "ops/kernels/cross_entropy.h"
#include "ops/wide_product.h"

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kIgnored = -100;
constexpr int64_t kChunkBytes = int64_t{128} << 20;  // of logits at a time

/// Inputs of the graph in this order; those that are not wanted have no gradient.
enum Input : size_t { kHidden, kWeight, kInner, kB, kInputs };
using Inputs = std::array<at::Tensor, kInputs>;  // kInner and kB undefined when nothing is added

/// Which gradients the backward pass will ask for.
struct Wanted {
  std::array<bool, kInputs> gradient{};
  bool any() const { return std::any_of(gradient.begin(), gradient.end(), std::identity()); }
};

int64_t rows_per_chunk(const at::Tensor& weight) {
  const int64_t row_bytes = std::max<int64_t>(1, weight.size(0)) * weight.element_size();
  return std::clamp<int64_t>(kChunkBytes / row_bytes / 64 * 64, 64, 8192);
}

/// The rows that count.
struct Rows {
  at::Tensor labels;        // int64
  std::vector<float> weights;  // empty: 1 each
};

/// Weighted losses of the chunk's rows, from `begin` on, into `losses`; see CrossEntropyRow.
void cross_entropy_rows(at::Tensor& logits, const Rows& rows, int64_t begin, double* losses, bool make_gradient) {
  const int64_t n = logits.size(1);
  visit_dtype(logits, [&]<class T>(T) {
    run(logits.size(0), n,
        CrossEntropyRow<T>{logits.mutable_data_ptr<T>(), rows.labels.const_data_ptr<int64_t>() + begin,
                           rows.weights.empty() ? nullptr : rows.weights.data() + begin, losses + begin, n, make_gradient});
  });
}

/// The same of logits that are a part of each row: [rows, vocab / parts].
void cross_entropy_of_part(at::Tensor& logits, const Rows& rows, int64_t begin, double* losses, bool make_gradient, const VocabularyPart& part) {
  const int64_t count = logits.size(0), width = logits.size(1);
  const auto wide = logits.to(at::kFloat);
  const auto places = rows.labels.narrow(0, begin, count) - part.first;
  const auto is_here = places.ge(0).logical_and(places.lt(width));
  const auto place = places.clamp(0, width - 1).unsqueeze(1);
  const auto largest = wide.amax(1, true);
  const auto own = at::cat({largest, (wide - largest).exp_().sum(1, true), wide.gather(1, place) * is_here.unsqueeze(1)}, 1);
  const auto all = part.gather(own.to(at::kDouble).contiguous());  // [parts, rows, 3]
  const auto maxima = all.select(2, 0);
  const auto top = maxima.amax(0);
  auto sum = at::zeros({count}, at::kDouble), of_label = at::zeros({count}, at::kDouble);
  for (int64_t i = 0; i < part.parts; ++i) {  // in order
    sum += all[i].select(1, 1) * (maxima[i] - top).exp();
    of_label += all[i].select(1, 2);
  }
  const auto log_sum = top + sum.log();  // [rows]
  auto weights = at::ones({count}, at::kDouble);
  if (!rows.weights.empty()) std::copy_n(rows.weights.begin() + begin, count, weights.mutable_data_ptr<double>());
  const auto found = ((log_sum - of_label) * weights).contiguous();
  std::copy_n(found.const_data_ptr<double>(), count, losses + begin);
  if (!make_gradient) return;
  auto gradient = (wide - log_sum.unsqueeze(1).to(at::kFloat)).exp_();
  gradient.scatter_add_(1, place, is_here.unsqueeze(1).to(at::kFloat).neg());
  logits.copy_(gradient.mul_(weights.unsqueeze(1).to(at::kFloat)));
}

struct Result {
  double loss = 0;
  Inputs gradients;  // undefined unless wanted; those summed over rows are fp32
};

/// All rows count.
Result run_chunks(const Inputs& in, const Rows& counted, Wanted wanted, const VocabularyPart& vocabulary) {
  Result result;
  for (const auto by_row : {kHidden, kInner})
    if (wanted.gradient[by_row]) result.gradients[by_row] = at::empty_like(in[by_row]);
  for (const auto summed : {kWeight, kB})
    if (wanted.gradient[summed]) result.gradients[summed] = at::zeros(in[summed].sizes(), in[summed].options().dtype(at::kFloat));
  const int64_t rows = in[kHidden].size(0), chunk = std::min(rows, rows_per_chunk(in[kWeight]));
  auto buffer = at::empty({chunk, in[kWeight].size(0)}, in[kHidden].options());
  std::vector<double> losses(rows);
  for (int64_t begin = 0; begin < rows; begin += chunk) {
    const int64_t count = std::min(chunk, rows - begin);
    const auto part = [&](const at::Tensor& all) { return all.narrow(0, begin, count); };
    auto logits = buffer.narrow(0, 0, count);
    at::mm_out(logits, part(in[kHidden]), in[kWeight].t());
    if (in[kInner].defined()) logits.addmm_(part(in[kInner]), in[kB].t());
    if (vocabulary.parts == 1) cross_entropy_rows(logits, counted, begin, losses.data(), wanted.any());
    else cross_entropy_of_part(logits, counted, begin, losses.data(), wanted.any(), vocabulary);
    const auto add_gradients = [&](Input by_row, Input summed) {
      if (wanted.gradient[by_row]) {
        auto d_rows = part(result.gradients[by_row]);
        at::mm_out(d_rows, logits, in[summed]);
      }
      if (wanted.gradient[summed]) add_wide_product(result.gradients[summed], logits, part(in[by_row]));
    };
    add_gradients(kHidden, kWeight);
    add_gradients(kInner, kB);
  }
  for (const double loss : losses) result.loss += loss;
  return result;
}

std::vector<float> values_of(const at::Tensor& weights) {
  if (!weights.defined()) return {};
  const auto plain = weights.to(at::kFloat).contiguous();
  return {plain.const_data_ptr<float>(), plain.const_data_ptr<float>() + plain.numel()};
}

/// Leaves out the rows whose label is ignored.
Result run_counted(Inputs in, const Labels& labels, Wanted wanted, const VocabularyPart& vocabulary) {
  const auto counted = labels.ids.ne(kIgnored).nonzero().flatten();
  if (counted.numel() == labels.ids.numel()) return run_chunks(in, {labels.ids, values_of(labels.weights)}, wanted, vocabulary);
  const auto of_counted = [&](const at::Tensor& all) { return all.defined() ? all.index_select(0, counted) : all; };
  const Shape shapes[] = {in[kHidden].sizes().vec(), in[kInner].defined() ? in[kInner].sizes().vec() : Shape{}};
  for (const auto by_row : {kHidden, kInner}) in[by_row] = of_counted(in[by_row]);
  auto result = run_chunks(in, {of_counted(labels.ids), values_of(of_counted(labels.weights))}, wanted, vocabulary);
  for (const auto by_row : {kHidden, kInner})
    if (auto& gradient = result.gradients[by_row]; gradient.defined())
      gradient = at::zeros(shapes[by_row == kInner], gradient.options()).index_copy_(0, counted, gradient);
  return result;
}

at::Tensor scaled(const at::Tensor& gradient, double factor, at::ScalarType dtype) {
  if (!gradient.defined()) return {};
  return (factor == 1 ? gradient : gradient * factor).to(dtype);
}

struct LinearCrossEntropy : torch::autograd::Function<LinearCrossEntropy> {
  /// `given` are the inputs that there are.
  static at::Tensor forward(AutogradContext* ctx, at::TensorList given, const Labels& labels, Wanted wanted, const VocabularyPart& vocabulary) {
    Inputs in;
    std::transform(given.begin(), given.end(), in.begin(), [](const at::Tensor& tensor) { return tensor.contiguous(); });
    const auto result = run_counted(in, {labels.ids.contiguous(), labels.weights}, wanted, vocabulary);
    ctx->save_for_backward({result.gradients.begin(), result.gradients.begin() + static_cast<int64_t>(given.size())});
    ctx->saved_data["dtype"] = in[kHidden].scalar_type();
    return at::full({}, result.loss, in[kHidden].options().dtype(at::kFloat));
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto factor = grads[0].item<double>();
    variable_list found;
    for (const auto& gradient : ctx->get_saved_variables())
      found.push_back(scaled(gradient, factor, ctx->saved_data["dtype"].toScalarType()));
    found.resize(found.size() + 3);  // none of the labels, of what is wanted and of the part
    return found;
  }
};

void check_shapes(const Inputs& in, const Labels& labels) {
  const auto &hidden = in[kHidden], &weight = in[kWeight], &inner = in[kInner], &b = in[kB];
  TORCH_CHECK(hidden.dim() == 2 && weight.dim() == 2 && hidden.size(1) == weight.size(1) && labels.ids.dim() == 1 &&
                  labels.ids.size(0) == hidden.size(0) && labels.ids.scalar_type() == at::kLong &&
                  (!labels.weights.defined() || labels.weights.sizes() == labels.ids.sizes()),
              "linear_cross_entropy: hidden ", hidden.sizes(), ", weight ", weight.sizes(), " and int64 labels ",
              labels.ids.sizes(), " do not fit");
  TORCH_CHECK(inner.defined() == b.defined() &&
                  (!b.defined() || (inner.size(0) == hidden.size(0) && b.size(0) == weight.size(0) && inner.size(1) == b.size(1))),
              "linear_cross_entropy: what is added does not fit hidden ", hidden.sizes(), " and weight ", weight.sizes());
}

}  // namespace

at::Tensor linear_cross_entropy(const at::Tensor& hidden, const at::Tensor& weight, const Labels& labels,
                                const AddedLogits& added) {
  if (has_kernel({hidden, weight})) return linear_cross_entropy_of_part(hidden, weight, labels, added, {});
  check_shapes({hidden, weight, added.inner, added.b}, labels);
  return linear_cross_entropy_composite(hidden, weight, labels, added);
}

at::Tensor linear_cross_entropy_of_part(const at::Tensor& hidden, const at::Tensor& weight, const Labels& labels,
                                        const AddedLogits& added, const VocabularyPart& part) {
  const Inputs in{hidden, weight, added.inner, added.b};
  check_shapes(in, labels);
  const auto& ids = labels.ids;
  const int64_t vocabulary = weight.size(0) * part.parts;
  TORCH_CHECK(ids.eq(kIgnored).logical_or(ids.ge(0).logical_and(ids.lt(vocabulary))).all().item<bool>(),
              "linear_cross_entropy: a label is neither -100 nor in [0, ", vocabulary, ")");
  Wanted wanted;
  for (size_t i = 0; i < kInputs; ++i)
    wanted.gradient[i] = at::GradMode::is_enabled() && in[i].defined() && in[i].requires_grad();
  return LinearCrossEntropy::apply(at::TensorList(in).slice(0, added.b.defined() ? kInputs : kInner), labels, wanted, part);
}

at::Tensor linear_cross_entropy_composite(const at::Tensor& hidden, const at::Tensor& weight, const Labels& labels,
                                          const AddedLogits& added) {
  auto logits = at::mm(hidden, weight.t());
  if (added.b.defined()) logits = logits + at::mm(added.inner, added.b.t());
  const auto wide = logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto log_probabilities = at::log_softmax(logits, 1, wide);
  if (!labels.weights.defined())
    return at::nll_loss(log_probabilities, labels.ids, {}, at::Reduction::Sum, kIgnored).to(at::kFloat);
  const auto losses = at::nll_loss(log_probabilities, labels.ids, {}, at::Reduction::None, kIgnored);
  return (losses * labels.weights.to(wide)).sum().to(at::kFloat);
}

}  // namespace ingot::ops
