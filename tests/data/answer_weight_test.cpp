// What says that an answer is not to be trained, or not whole: in a message, and beside the talk.
#include <gtest/gtest.h>

#include "data/sft/record_handler.h"

namespace ingot::data {
namespace {

HandledRecord answer_with(const std::string& more, std::vector<std::string> ignored = {}) {
  return make_record_handler("auto", {}, std::move(ignored))
      ->handle(R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", )" + more + "}]}");
}

double weight(const std::string& more) {
  const auto record = answer_with(more);
  EXPECT_EQ(record.reason, "") << more;
  EXPECT_TRUE(record.unused.empty()) << more;
  return record.conversations.empty() ? -1 : record.conversations[0].messages.back().weight;
}

TEST(AnswerWeight, EveryMarkOfAMessageCounts) {
  for (const char* none : {R"("training": false)", R"("trainable": false)", R"("mask": true)", R"("masked": true)", R"("training": 0)",
                           R"("train": false, "train_detail": [{"begin_offset": 0, "end_offset": 0, "train": false}])", R"("mask": true, "weight": 0)"})
    EXPECT_EQ(weight(none), 0) << none;
  for (const char* whole : {R"("training": true)", R"("mask": false)", R"("mask": null)", R"("train_detail": [])", R"("train_detail": null)",
                            R"("train_detail": [{"begin_offset": 0, "end_offset": 0, "train": true}])"})
    EXPECT_EQ(weight(whole), 1) << whole;
}

TEST(AnswerWeight, WhatIsNoPlainMarkIsRefused) {
  for (const char* mask : {R"("mask": 1)", R"("mask": 0)", R"("mask": "x")"}) {
    EXPECT_EQ(answer_with(mask).reason, "a message's mask is not true or false; ignore_fields: [mask] trains without it") << mask;
    EXPECT_EQ(answer_with(mask, {"mask"}).reason, "") << mask;
  }
  const std::string parts = R"("train_detail": [{"begin_offset": 0, "end_offset": 0, "train": false}])";
  EXPECT_EQ(answer_with(parts).reason, "train_detail trains only parts of an answer; ignore_fields: [train_detail] trains it as a whole");
  EXPECT_EQ(answer_with(parts, {"train_detail"}).reason, "");
  EXPECT_EQ(answer_with(R"("mask": true, "weight": 1)").reason, "a message has two weights that differ");
}

TEST(AnswerWeight, ATurnHasAWeightAsAMessageHas) {
  const auto record = make_record_handler("auto", {})->handle(R"({"conversation": [{"human": "q", "assistant": "a", "weight": 0.5}]})");
  EXPECT_EQ(record.reason, "");
  EXPECT_EQ(record.conversations.at(0).messages.back().weight, 0.5);
}

const std::vector<std::string> kTalks{R"("instruction": "q", "output": "a")", R"("prompt": "q", "completion": "a")", R"("query": "q", "response": "a")",
                                      R"("messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])",
                                      R"("conversation": [{"human": "q", "assistant": "a"}])"};

TEST(AnswerWeight, AnotherWeightThanOneBesideTheTalkIsRefused) {
  for (const auto& talk : kTalks)
    for (const char* name : {"weight", "loss", "loss_weight", "loss_scale", "train", "training", "trainable"})
      for (const char* value : {"0", "0.0", "0.5", "false", R"("0")", R"("False")", "2"}) {
        const std::string record = "{" + talk + ", \"" + name + "\": " + value + "}";
        EXPECT_EQ(make_record_handler("auto", {})->handle(record).reason,
                  std::string(name) + " beside the talk says that the answers do not count whole; ignore_fields: [" + name + "] trains them whole") << record;
        EXPECT_EQ(make_record_handler("auto", {}, {name})->handle(record).reason, "") << record;
      }
}

TEST(AnswerWeight, WhatIsNoWeightBesideTheTalkIsAnyColumn) {
  for (const auto& talk : kTalks)
    for (const char* more : {R"("weight": 1)", R"("weight": 1.0)", R"("train": "true")", R"("loss": null)", R"("loss": "")", R"("loss": "nan")",
                             R"("training": "stage 1")", R"("mask": "User")", R"("mask": 0)", R"("mask": false)", R"("weight": [0, 1])"})
      EXPECT_EQ(make_record_handler("auto", {})->handle("{" + talk + ", " + more + "}").reason, "") << talk << more;
}

}  // namespace
}  // namespace ingot::data
