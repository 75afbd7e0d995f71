#include "train/run_identity.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace ingot::train {
namespace {

RunIdentity an_identity() {
  return {.fixed = {{"seed", 42}, {"cutoff_len", 64}, {"dataset", {"a.parquet"}}}, .settings = {{"max_steps", 10}}};
}

std::string refusal_of(const RunIdentity& saved, const RunIdentity& now) {
  try {
    check_identity(saved, now, "out/iter_5");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(RunIdentity, AcceptsTheSameRun) { EXPECT_EQ(refusal_of(an_identity(), an_identity()), ""); }

TEST(RunIdentity, NamesFieldOldAndNewValue) {
  auto now = an_identity();
  now.fixed["cutoff_len"] = 128;
  EXPECT_EQ(refusal_of(an_identity(), now),
            "cannot resume from out/iter_5 (set overwrite_output_dir: true to throw that run away, or name another output_dir): "
            "cutoff_len: found 128, wanted 64 as in the checkpoint");
}

TEST(RunIdentity, NamesEveryFieldThatDiffers) {
  auto now = an_identity();
  now.fixed["seed"] = 43, now.fixed["dataset"] = {"b.parquet"};
  const std::string message = refusal_of(an_identity(), now);
  EXPECT_NE(message.find("seed: found 43, wanted 42"), message.npos);
  EXPECT_NE(message.find(R"(dataset: found ["b.parquet"], wanted ["a.parquet"])"), message.npos);
}

TEST(RunIdentity, RefusesFieldsThatOnlyOneSideHas) {
  auto more = an_identity();
  more.fixed["shuffle"] = true;
  EXPECT_NE(refusal_of(an_identity(), more).find("shuffle: found true, wanted nothing"), std::string::npos);
  EXPECT_NE(refusal_of(more, an_identity()).find("shuffle: found nothing, wanted true"), std::string::npos);
}

TEST(RunIdentity, TellsAChangedSettingAndGoesOn) {
  auto now = an_identity();
  now.settings["max_steps"] = 20;
  testing::internal::CaptureStderr();
  EXPECT_EQ(refusal_of(an_identity(), now), "");
  EXPECT_NE(testing::internal::GetCapturedStderr().find("resuming with max_steps 20, it was 10"), std::string::npos);
}

}  // namespace
}  // namespace ingot::train
