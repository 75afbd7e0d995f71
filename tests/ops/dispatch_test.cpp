#include "ops/dispatch.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>

#include "core/error.h"
#include "ops/adamw.h"
#include "ops/expert_rows.h"
#include "ops/keyed_dropout.h"
#include "ops/linear_cross_entropy.h"
#include "ops/op_checks.h"
#include "ops/rms_norm.h"
#include "ops/rotary.h"
#include "ops/swiglu.h"
#include "ops/unit_rows.h"

namespace ingot::ops {
namespace {

/// Output and gradients of an op with each set that this CPU has, smallest set first.
std::vector<Evaluation> with_every_set(const Operation& op, const Tensors& inputs) {
  std::vector<Evaluation> found;
  for (const Isa set : available_isas()) {
    const IsaScope scope(set);
    found.push_back(evaluate(op, inputs));
  }
  return found;
}

Tensors all_of(const Evaluation& e) {
  Tensors all{e.output};
  all.insert(all.end(), e.gradients.begin(), e.gradients.end());
  return all;
}

/// `tolerance` 0: the same bits.
void expect_sets_agree(const std::string& name, const Operation& op, const Tensors& inputs, double tolerance) {
  const auto found = with_every_set(op, inputs);
  for (size_t set = 1; set < found.size(); ++set) {
    const auto a = all_of(found[0]), b = all_of(found[set]);
    for (size_t i = 0; i < a.size(); ++i) {
      const auto what = name + " " + std::string(name_of(available_isas()[set])) + " tensor " + std::to_string(i);
      if (tolerance == 0) EXPECT_TRUE(at::equal(a[i], b[i])) << what;
      else EXPECT_LE(relative_error(b[i], a[i]), tolerance) << what;
    }
  }
}

/// Within rounding of the dtype where sums over many elements meet in another order.
double rounding(at::ScalarType dtype) { return dtype == at::kFloat ? 2e-6 : 8e-3; }

class EverySet : public testing::TestWithParam<at::ScalarType> {
 protected:
  EverySet() { at::manual_seed(3); }
  at::Tensor random(at::IntArrayRef sizes) const { return at::randn(sizes).to(GetParam()); }
};

TEST_P(EverySet, GivesTheSameBitsElementByElement) {
  const auto angles = at::rand({1, 9, 12}) * 6;
  expect_sets_agree("rotary", [&](const Tensors& in) { return rotary(in[0], angles.cos(), angles.sin(), RotaryPairs::kHalves); },
                    {random({2, 9, 3, 30})}, 0);
  expect_sets_agree("dropout", [&](const Tensors& in) { return dropped(in[0], at::arange(70), {0.3, 5}); }, {random({70, 333})}, 0);
}

TEST_P(EverySet, SumsWithinRounding) {
  const double tolerance = rounding(GetParam());
  expect_sets_agree("swiglu", [](const Tensors& in) { return swiglu(in[0], in[1]); }, {random({70, 333}), random({70, 333})}, tolerance);
  expect_sets_agree("rms_norm", [](const Tensors& in) { return rms_norm(in[0], in[1], 1e-6); }, {random({70, 333}), random({333})}, tolerance);
  expect_sets_agree("unit_rows", [](const Tensors& in) { return unit_rows(in[0]); }, {random({40, 333})}, tolerance);
  const auto labels = at::randint(0, 300, {70});
  expect_sets_agree("cross entropy", [&](const Tensors& in) { return linear_cross_entropy(in[0], in[1], labels); },
                    {random({70, 33}), random({300, 33})}, tolerance);
}

INSTANTIATE_TEST_SUITE_P(Dtypes, EverySet, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& dtype) { return std::string(c10::toString(dtype.param)); });

TEST(EverySetOfAdamw, GivesTheSameBits) {
  at::manual_seed(4);
  const auto gradient = at::randn({30000}), start = at::randn({30000});
  Tensors weights;
  for (const Isa set : available_isas()) {
    const IsaScope scope(set);
    auto master = start.clone(), first = at::full({30000}, 0.1), second = at::full({30000}, 0.2);
    auto weight = start.to(at::kBFloat16);
    adamw_step({1e-3, 0.9, 0.95, 1e-8, 0.1, 7, 0.5}, gradient, master, first, second, weight);
    weights.push_back(at::cat({master, first, second, weight.to(at::kFloat)}));
  }
  for (const auto& weight : weights) EXPECT_TRUE(at::equal(weight, weights[0]));
}

struct CountPiece {
  static constexpr std::string_view kOp = "count";
  using Element = float;
  int* calls;
  void operator()(int64_t i) const { ++calls[i]; }
};

template <class Kernel>
void plain_loop(const Kernel& kernel, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) kernel(i);
}

TEST(Run, RunsEveryPieceOnce) {
  table::loops<CountPiece>[0] = plain_loop<CountPiece>;
  std::vector<int> calls(1000);
  run(1000, 1000, CountPiece{calls.data()});
  EXPECT_EQ(calls, std::vector<int>(1000, 1));
}

struct OnlyWide : CountPiece {};

TEST(FindLoop, TakesTheLargestSetUpToTheChosenOne) {
  EXPECT_EQ(find_loop<OnlyWide>(), nullptr);
  table::loops<OnlyWide>[static_cast<size_t>(Isa::kAvx512)] = plain_loop<OnlyWide>;
  const IsaScope small(Isa::kAvx2);
  EXPECT_EQ(find_loop<OnlyWide>(), nullptr);
  const IsaScope large(Isa::kAvx512Bf16);
  EXPECT_EQ(find_loop<OnlyWide>(), plain_loop<OnlyWide>);
}

TEST(KernelTable, HoldsEveryPlainOpForBothTypesAndAllSets) {
  std::map<std::string, int> rows;
  for (const auto& row : kernel_table()) ++rows[row.op];
#ifdef __x86_64__
  EXPECT_EQ(rows["swiglu"], 2 * 3);
  EXPECT_EQ(rows["adamw_step"], 3);
#endif
  EXPECT_NE(kernel_paths().find("rms_norm backward"), std::string::npos);
}

}  // namespace
}  // namespace ingot::ops
