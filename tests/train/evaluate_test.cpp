#include "train/evaluate.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>

#include "core/error.h"
#include "core/stop.h"
#include "train/model_input.h"
#include "train/tiny_llama.h"

namespace ingot::train {
namespace {

int64_t uneven(uint64_t row) { return static_cast<int64_t>(row * 5 % 17); }

/// Mean cross entropy of the first rows from whole logits in double.
double plain_mean_loss(const model::CausalLm& model, const DataSource& source, uint64_t rows) {
  const at::NoGradGuard no_grad;
  double sum = 0, labels = 0;
  for (uint64_t row = 0; row < rows; ++row) {
    const auto input = to_model_input(source.batch({&row, 1}), model);
    const auto logits = model.logits(input.input).flatten(0, 1).to(at::kDouble);
    const auto flat = input.labels.ids.flatten();
    sum += at::nll_loss(at::log_softmax(logits, -1), flat, {}, at::Reduction::Sum, -100).item<double>();
    labels += flat.ne(-100).sum().item<double>();
  }
  return sum / labels;
}

TEST(Evaluate, WeighsEveryLabelTheSameWhateverTheMicroBatch) {
  const auto model = tiny_llama();
  const auto source = random_rows(7, uneven);
  const double wanted = plain_mean_loss(*model, source, 7);
  for (const int64_t micro_batch : {1, 2, 3, 7, 100}) {
    const auto evaluation = evaluate(*model, source, {.micro_batch = micro_batch});
    ASSERT_TRUE(evaluation.has_value());
    EXPECT_NEAR(evaluation->loss, wanted, 1e-6) << micro_batch;
    EXPECT_EQ(evaluation->tokens, 0u + 5 + 10 + 15 + 3 + 8 + 13);
    EXPECT_DOUBLE_EQ(evaluation->perplexity(), std::exp(evaluation->loss));
  }
}

TEST(Evaluate, StopsAfterTheBatchesAskedFor) {
  const auto model = tiny_llama();
  const auto source = random_rows(7, uneven);
  const auto evaluation = evaluate(*model, source, {.micro_batch = 2, .max_batches = 2});
  EXPECT_NEAR(evaluation.value().loss, plain_mean_loss(*model, source, 4), 1e-6);
}

TEST(Evaluate, LeavesNoGradient) {
  const auto model = tiny_llama();
  for (const auto& parameter : model->parameters.parameters) parameter->value.set_requires_grad(true);
  evaluate(*model, random_rows(2), {});
  for (const auto& parameter : model->parameters.parameters) EXPECT_FALSE(parameter->value.grad().defined());
}

TEST(Evaluate, RefusesRowsWithoutLabels) {
  const auto model = tiny_llama();
  EXPECT_THROW(evaluate(*model, random_rows(3, [](uint64_t) { return 0; }), {}), DataError);
}

TEST(Evaluate, GivesNothingWhenAskedToStop) {
  const auto model = tiny_llama();
  request_stop(SIGTERM);
  const auto evaluation = evaluate(*model, random_rows(3), {});
  clear_stop();
  EXPECT_FALSE(evaluation.has_value());
}

}  // namespace
}  // namespace ingot::train
