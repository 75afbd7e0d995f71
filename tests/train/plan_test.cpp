#include <gtest/gtest.h>

#include "core/error.h"
#include "parallel/pipeline.h"
#include "train/plan/layout_rules.h"
#include "train/plan/planner.h"

namespace ingot::train {
namespace {

/// A Llama of 4 layers.
RunShape llama() {
  RunShape shape;
  auto& model = shape.model;
  model.vocab_size = 1024, model.hidden_size = 64, model.num_layers = 4, model.num_heads = 8, model.num_kv_heads = 4, model.head_dim = 8;
  model.intermediate_size = 192;
  shape.value_bytes = 4, shape.seq_length = 256, shape.micro_batch = 2, shape.global_batch = 32;
  return shape;
}

RunShape mixtral() {
  RunShape shape = llama();
  shape.model.model_type = "mixtral", shape.model.num_experts = 8, shape.model.experts_per_token = 2;
  return shape;
}

Planner planner_of(const RunShape& shape) { return Planner(shape.model, shape.tuning, {}); }
RankMemory memory_of(const RunShape& shape) { return planner_of(shape).estimate(shape).rank; }

int64_t values_of(const RunShape& shape) { return num_values(planned_parameters(shape.model, shape.tuning)); }

std::vector<std::string> problems_of(const RunShape& shape) {
  Problems problems;
  check_layout(problems, shape, planned_parameters(shape.model, shape.tuning));
  return problems.list();
}

TEST(Plan, HoldsWeightsMomentsAndSumsOfEveryParameter) {
  const RunShape shape = llama();
  const int64_t values = values_of(shape);
  const auto memory = memory_of(shape);
  EXPECT_EQ(memory.weights, 4 * values);
  EXPECT_EQ(memory.optimizer, 8 * values);
  EXPECT_GE(memory.gradients, 4 * values);
  EXPECT_LE(memory.gradients, 8 * values);
}

TEST(Plan, HasMastersOfBf16) {
  RunShape shape = llama();
  shape.value_bytes = 2;
  EXPECT_EQ(memory_of(shape).weights, 2 * values_of(shape));
  EXPECT_EQ(memory_of(shape).optimizer, 12 * values_of(shape));
}

TEST(Plan, RecomputeTakesLess) {
  RunShape shape = llama();
  const int64_t none = memory_of(shape).total();
  shape.recompute = model::Recompute::kSelective;
  const int64_t selective = memory_of(shape).total();
  shape.recompute = model::Recompute::kFull;
  EXPECT_LT(selective, none);
  EXPECT_LT(memory_of(shape).total(), selective);
}

TEST(Plan, AnAdapterHasTwoFactorsForEachLayer) {
  RunShape shape = llama();
  shape.tuning = {.lora = true, .rank = 4, .target = {"q_proj", "down_proj"}};
  const auto parameters = planned_parameters(shape.model, shape.tuning);
  EXPECT_EQ(num_trained(parameters), 4 * 4 * ((64 + 64) + (192 + 64)));
  EXPECT_EQ(num_values(parameters), values_of(llama()));
  EXPECT_EQ(memory_of(shape).optimizer, 8 * num_trained(parameters));
}

TEST(Plan, AnAdapterOfAllLinearLayersLeavesOutEndsAndRouters) {
  RunShape shape = mixtral();
  shape.tuning = {.lora = true, .rank = 1};
  for (const auto& [spec, use, trained, rank] : planned_parameters(shape.model, shape.tuning))
    EXPECT_EQ(rank > 0, spec.layer >= 0 && spec.shape.size() == 2 && use != Use::kRouter) << spec.name;
}

TEST(Plan, RefusesTargetsThatTheModelHasNot) {
  EXPECT_THROW(planned_parameters(llama().model, {.lora = true, .target = {"q_prj"}}), ConfigError);
  EXPECT_THROW(planned_parameters(llama().model, {.lora = true, .whole = {"lm_haed"}}), ConfigError);
}

TEST(Plan, EveryAxisSharesWhatItIsSaidToShare) {
  const int64_t whole = memory_of(llama()).weights;
  RunShape shape = llama();
  shape.layout = {.tp = 4};
  EXPECT_NEAR(static_cast<double>(memory_of(shape).weights), static_cast<double>(whole) / 4, static_cast<double>(whole) / 50);  // norms
  shape.layout = {.dp = 4};
  shape.zero_stage = 1;
  EXPECT_EQ(memory_of(shape).optimizer, memory_of(llama()).optimizer / 4);
  EXPECT_EQ(memory_of(shape).weights, whole);
  shape.zero_stage = 3;
  EXPECT_EQ(memory_of(shape).weights, whole / 4);
  shape = mixtral(), shape.layout = {.dp = 4, .ep = 4};
  const auto parameters = planned_parameters(shape.model, {});
  const auto counts = part_counts(parameters, shape.model, 1, 4), all = part_counts(parameters, shape.model, 1, 1);
  EXPECT_EQ(4 * counts.layers[0].experts.held, all.layers[0].experts.held);
  EXPECT_EQ(counts.layers[0].attention.held, all.layers[0].attention.held);
}

TEST(Plan, StagesShareLayersAndTheFirstKeepsMostPasses) {
  RunShape shape = llama();
  shape.layout = {.pp = 4};
  Planner planner = planner_of(shape);
  const auto first = planner.memory(shape, 0), third = planner.memory(shape, 2);
  EXPECT_GT(first.activations, third.activations);
  EXPECT_LT(first.weights, memory_of(llama()).weights / 2);
  EXPECT_EQ(parallel::stage_layers({10}, 4, 0).end, 3);
  EXPECT_EQ(parallel::stage_layers({10}, 4, 3).first, 8);
}

TEST(Plan, AnImpossibleLayoutIsToldWithTheNearestOnes) {
  RunShape shape = llama();
  shape.layout = {.tp = 3};
  ASSERT_EQ(problems_of(shape).size(), 1u);
  EXPECT_NE(problems_of(shape)[0].find("tp: found 3, wanted 2 or 4"), std::string::npos) << problems_of(shape)[0];
  shape.layout = {.pp = 5};
  EXPECT_NE(problems_of(shape).at(0).find("pp: found 5, wanted 4"), std::string::npos) << problems_of(shape)[0];
  shape.layout = {.dp = 3};
  EXPECT_NE(problems_of(shape).at(0).find("dp: found 3, wanted 2 or 4"), std::string::npos) << problems_of(shape)[0];
  shape = mixtral(), shape.layout = {.dp = 16, .ep = 3};
  EXPECT_NE(problems_of(shape).at(0).find("ep: found 3, wanted 2 or 4"), std::string::npos) << problems_of(shape)[0];
  shape = llama(), shape.layout = {.cp = 3};
  EXPECT_NE(problems_of(shape).at(0).find("cp: found 3, wanted 2 or 4"), std::string::npos) << problems_of(shape)[0];
}

TEST(Plan, LayoutsComeByTheirTimeAndFit) {
  RunShape shape = llama();
  shape.layout = {.dp = 8};
  Planner planner = planner_of(shape);
  const int64_t memory = planner.estimate(shape).rank.total();
  const auto found = find_layouts(planner, shape, {.layout = true, .zero = true, .recompute = true}, memory, 4);
  ASSERT_EQ(found.fitting.size(), 4u);
  for (size_t i = 0; i + 1 < found.fitting.size(); ++i) EXPECT_LE(found.fitting[i].time.seconds, found.fitting[i + 1].time.seconds);
  for (const auto& one : found.fitting) EXPECT_LE(one.rank.total(), memory);
}

TEST(Plan, TheCheapestChangeFitsAndHasFewParts) {
  RunShape shape = llama();
  Planner planner = planner_of(shape);
  RunShape full = shape;
  full.recompute = model::Recompute::kFull;
  const auto change = cheapest_change(planner, shape, {.recompute = true}, planner.estimate(full).rank.total());
  EXPECT_EQ(change.words, "recompute: full");
  EXPECT_FALSE(cheapest_change(planner, shape, {.recompute = true}, 1).to.has_value());
}

TEST(Plan, BubbleIsTheShareOfPassesThatAreWaitedFor) {
  RunShape shape = llama();
  shape.model.vocab_size = 8;  // so that stages are nearly even
  shape.layout = {.pp = 4};
  Planner planner(shape.model, {}, {.flops = 1e6, .link = 1e12});
  const auto time = planner.estimate(shape).time;
  EXPECT_NEAR(time.bubble, 3.0 / (3 + 16), 0.01);
  ASSERT_EQ(time.ranks.size(), 4u);
  EXPECT_NEAR(time.compute + time.exchange + time.memory + time.bubble * time.seconds, time.seconds, 1e-9 * time.seconds);
}

TEST(Plan, ShareOfTheRateLeavesOutWhatIsComputedAgain) {
  RunShape shape = llama();
  Planner planner(shape.model, {}, {.flops = 1e6, .memory_rate = 1e12});
  EXPECT_NEAR(planner.estimate(shape).time.rate_share, 1, 1e-3);
  shape.recompute = model::Recompute::kFull;
  EXPECT_LT(planner.estimate(shape).time.rate_share, 0.85);
  EXPECT_GT(planner.estimate(shape).time.rate_share, 0.74);
}

TEST(Plan, RanksSendWhatTheirSumsTake) {
  RunShape shape = llama();
  shape.layout = {.dp = 2};
  const auto values = static_cast<double>(values_of(shape));
  EXPECT_DOUBLE_EQ(planner_of(shape).estimate(shape).traffic.data, 4 * values);  // a ring of two sends the whole once
  shape.zero_stage = 1;
  EXPECT_DOUBLE_EQ(planner_of(shape).estimate(shape).traffic.data, (4.0 / 2 + 4.0 / 2) * values);  // of gradients and of weights half a ring
  shape.logical_shards = 2;
  EXPECT_DOUBLE_EQ(planner_of(shape).estimate(shape).traffic.data, (4 + 4.0 / 2) * values);  // sums in a tree are whole
  shape = llama(), shape.layout = {.tp = 2};
  const double half = 256 * 64 * 4, exchanges = (4 + 6) * 4 + 2 * 2;  // of a layer forward and backward, where two inputs are gathered again; of each end
  EXPECT_DOUBLE_EQ(planner_of(shape).estimate(shape).traffic.tensor, 16 * exchanges * half);
}

}  // namespace
}  // namespace ingot::train
