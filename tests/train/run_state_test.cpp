#include "train/run_state.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "train/saved_state.h"
#include "train/tiny_llama.h"

namespace ingot::train {
namespace {

const RunIdentity kIdentity{.fixed = {{"seed", 1}}, .settings = {{"max_steps", 9}}};

checkpoint::RunState state_of(const model::CausalLm& model, const RunPosition& position) {
  return pack_run_state(model, Optimizer(model.parameters, {}), position, kIdentity);
}

RunPosition example() {
  return {.step = 5, .consumed_samples = 40, .evaluated_step = 4, .first_evaluation = Evaluation{6.25, 77},
          .last_evaluation = Evaluation{1.0 / 3, 78}};
}

/// What restoring the state says; nothing when it goes well.
std::string message_of(const checkpoint::RunState& state) {
  const TemporaryFolder folder;
  const auto loaded = save_and_open(folder, state);
  const auto model = tiny_llama();
  Optimizer optimizer(model->parameters, {});
  try {
    restore_run_state(loaded, *model, optimizer, kIdentity);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TEST(RunState, BringsWeightsAndPositionBack) {
  const auto model = tiny_llama(at::kBFloat16, 3), other = tiny_llama(at::kBFloat16, 4);
  const TemporaryFolder folder;
  const auto loaded = save_and_open(folder, state_of(*model, example()));
  Optimizer optimizer(other->parameters, {});
  const RunPosition position = restore_run_state(loaded, *other, optimizer, kIdentity);
  EXPECT_TRUE(same_bits(copy_weights(*model), copy_weights(*other)));
  EXPECT_EQ(position.step, 5);
  EXPECT_EQ(position.consumed_samples, 40u);
  EXPECT_EQ(position.evaluated_step, 4);
  EXPECT_EQ(position.first_evaluation.value().tokens, 77u);
  EXPECT_EQ(position.last_evaluation.value().loss, 1.0 / 3);
}

TEST(RunState, KeepsThatNothingWasEvaluated) {
  const auto model = tiny_llama();
  const TemporaryFolder folder;
  const auto loaded = save_and_open(folder, state_of(*model, {.step = 2, .consumed_samples = 16}));
  Optimizer optimizer(model->parameters, {});
  const RunPosition position = restore_run_state(loaded, *model, optimizer, kIdentity);
  EXPECT_FALSE(position.first_evaluation.has_value());
  EXPECT_EQ(position.evaluated_step, -1);
}

TEST(RunState, RefusesAStateWithFieldsMissingOrOfAnotherKind) {
  const auto sound = state_of(*tiny_llama(), example());
  EXPECT_EQ(message_of(sound), "");
  for (const char* field : {"step", "consumed_samples", "evaluated_step", "fixed", "settings", "first_evaluation"}) {
    auto missing = sound, wrong = sound;
    missing.state.erase(field);
    wrong.state[field] = "text";
    EXPECT_NE(message_of(missing).find(std::string("iter_0000005: state field ") + field), std::string::npos) << field;
    EXPECT_NE(message_of(wrong).find(field), std::string::npos) << field;
  }
  auto negative = sound, no_object = sound;
  negative.state["step"] = -1;
  no_object.state = Json::array();
  EXPECT_NE(message_of(negative), "");
  EXPECT_NE(message_of(no_object), "");
}

TEST(RunState, RefusesWeightsOfAnotherModel) {
  const auto sound = state_of(*tiny_llama(), example());
  auto reshaped = sound, unknown = sound;
  reshaped.tensors[0] = {sound.tensors[0].name, at::zeros({2})};
  unknown.tensors.push_back({"model.model.layers.9.mlp.up_proj.weight", at::zeros({2})});
  EXPECT_NE(message_of(reshaped).find("tensor model.model.embed_tokens.weight: found Float [2], wanted Float [64, 32]"),
            std::string::npos);
  EXPECT_NE(message_of(unknown).find("does not belong to this model"), std::string::npos);
}

}  // namespace
}  // namespace ingot::train
