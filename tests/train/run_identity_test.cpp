#include "train/run_identity.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace ingot::train {
namespace {

RunIdentity example() {
  return {.fixed = {{"seed", 42}, {"cutoff_len", 64}, {"dataset", {"a.parquet"}}}, .settings = {{"max_steps", 10}}};
}

std::string message_of(const RunIdentity& saved, const RunIdentity& now) {
  try {
    check_identity(saved, now, "out/iter_5");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(RunIdentity, AcceptsTheSameRun) { EXPECT_EQ(message_of(example(), example()), ""); }

TEST(RunIdentity, NamesFieldOldAndNewValue) {
  auto now = example();
  now.fixed["cutoff_len"] = 128;
  EXPECT_EQ(message_of(example(), now),
            "cannot resume from out/iter_5 (set overwrite_output_dir: true to throw that run away, or name another output_dir): "
            "cutoff_len: found 128, wanted 64 as in the checkpoint");
}

TEST(RunIdentity, NamesEveryFieldThatDiffers) {
  auto now = example();
  now.fixed["seed"] = 43, now.fixed["dataset"] = {"b.parquet"};
  const std::string message = message_of(example(), now);
  EXPECT_NE(message.find("seed: found 43, wanted 42"), message.npos);
  EXPECT_NE(message.find(R"(dataset: found ["b.parquet"], wanted ["a.parquet"])"), message.npos);
}

TEST(RunIdentity, RefusesFieldsThatOnlyOneSideHas) {
  auto more = example();
  more.fixed["shuffle"] = true;
  EXPECT_NE(message_of(example(), more).find("shuffle: found true, wanted nothing"), std::string::npos);
  EXPECT_NE(message_of(more, example()).find("shuffle: found nothing, wanted true"), std::string::npos);
}

TEST(RunIdentity, TellsAChangedSettingAndGoesOn) {
  auto now = example();
  now.settings["max_steps"] = 20;
  testing::internal::CaptureStderr();
  EXPECT_EQ(message_of(example(), now), "");
  EXPECT_NE(testing::internal::GetCapturedStderr().find("resuming with max_steps 20, it was 10"), std::string::npos);
}

}  // namespace
}  // namespace ingot::train
