#include "config/train_config.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/file.h"
#include "places.h"
#include "temporary_folder.h"

namespace ingot::config {
namespace {
namespace fs = std::filesystem;

const fs::path kRoot = checkout();

/// A sound configuration as overrides; the file itself is empty.
std::vector<std::string> sound() {
  return {"model_name_or_path=" + (kRoot / "examples/stories260k").string(), "output_dir=/tmp/x",
          "dataset=" + (kRoot / "examples/data/shakespeare.parquet").string()};
}

TrainConfig load(std::vector<std::string> more) {
  const TemporaryFolder folder;
  write_file(folder / "run.yaml", "");
  auto overrides = sound();
  overrides.insert(overrides.end(), more.begin(), more.end());
  return load_train_config(folder / "run.yaml", overrides);
}

TEST(TrainConfig, TakesDefaultsAndOverrides) {
  const auto config = load({"learning_rate=2e-4", "max_steps=7", "sample_prompts=[a, b]"});
  EXPECT_EQ(config.learning_rate, 2e-4);
  EXPECT_EQ(config.max_steps, 7);
  EXPECT_EQ(config.sample_prompts, (Texts{"a", "b"}));
  EXPECT_EQ(load({"sample_prompts=Hello, world"}).sample_prompts, (Texts{"Hello, world"}));  // prose is not cut at a comma
  EXPECT_EQ(config.lr_scheduler_type, "cosine");
}

TEST(TrainConfig, EvaluatesWithRowsKeptApartOrWithOthersButNotWithBoth) {
  const std::string others = "eval_dataset=" + (kRoot / "examples/data/shakespeare.parquet").string();
  EXPECT_NO_THROW(load({"eval_steps=10", "val_size=5"}));
  EXPECT_NO_THROW(load({"eval_steps=10", others}));
  EXPECT_THROW(load({"val_size=5", others}), ConfigError);
}

TEST(TrainConfig, RefusesEveryValueOutOfRange) {
  for (const char* wrong : {"cutoff_len=0", "micro_batch_size=0", "global_batch_size=0", "micro_batch_size=3", "max_steps=-1",
                            "num_train_epochs=0", "learning_rate=-1", "min_lr=1", "adam_beta1=1", "adam_epsilon=0",
                            "lr_scheduler_type=square", "precision=fp8", "recompute=some", "stage=dpo", "finetuning_type=qlora",
                            "export_dtype=int8", "val_size=-1", "save_steps=-1", "logging_steps=0", "warmup_ratio=1", "eval_steps=10",
                            "dataset=/no/such/file", "model_name_or_path=/no/such/folder", "output_dir="})
    EXPECT_THROW(load({wrong}), ConfigError) << wrong;
}

}  // namespace
}  // namespace ingot::config
