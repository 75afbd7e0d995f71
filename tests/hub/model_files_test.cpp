#include "hub/model_files.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "core/error.h"
#include "core/file.h"
#include "temporary_folder.h"

namespace ingot::hub {
namespace {
namespace fs = std::filesystem;

using Names = std::vector<std::string>;

void make_files(const fs::path& folder, const Names& names) {
  for (const auto& name : names) {
    make_folder((folder / name).parent_path());
    write_file(folder / name, name == "config.json" ? R"({"dtype": "float32", "hidden_size": 8})" : "text of " + name);
  }
}

const Names kCarried{"LICENSE",
                     "README.md",
                     "added_tokens.json",
                     "additional_chat_templates/tool_use.jinja",
                     "chat_template.jinja",
                     "chat_template.json",
                     "config.json",
                     "configuration_qwen.py",
                     "generation_config.json",
                     "merges.txt",
                     "modeling_qwen.py",
                     "qwen.tiktoken",
                     "qwen_generation_utils.py",
                     "special_tokens_map.json",
                     "tokenization_qwen.py",
                     "tokenizer.json",
                     "tokenizer.model",
                     "tokenizer_config.json",
                     "vocab.json"};
const Names kLeft{"model.safetensors",
                  "model-00001-of-00002.safetensors",
                  "model.safetensors.index.json",
                  "pytorch_model.bin",
                  "pytorch_model.bin.index.json",
                  "consolidated.00.pth",
                  "optimizer.pt",
                  "training_args.bin",
                  "trainer_state.json",
                  "adapter_config.json",
                  ".gitattributes",
                  "onnx/model.json",
                  "original/params.json"};

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TEST(CompanionFiles, AreAllButWeightsAndState) {
  const TemporaryFolder folder, copy;
  make_files(folder.path(), kCarried);
  make_files(folder.path(), kLeft);
  EXPECT_EQ(companion_files(folder.path()), kCarried);
  copy_companion_files(folder.path(), copy.path());
  EXPECT_EQ(companion_files(copy.path()), kCarried);
  for (const auto& name : kCarried) EXPECT_EQ(read_file(copy / name), read_file(folder / name));
  for (const auto& name : kLeft) EXPECT_FALSE(fs::exists(copy / name)) << name;
  check_companion_files(folder.path(), copy.path());
}

TEST(CompanionFiles, FollowLinksIntoAHuggingFaceCacheOnly) {
  const TemporaryFolder cache;
  const fs::path snapshot = cache / "snapshots/0123";
  make_files(cache.path(), {"blobs/aa", "blobs/bb", "secret.txt"});
  make_files(snapshot, {"config.json"});
  fs::create_symlink("../../blobs/aa", snapshot / "tokenization_x.py");
  fs::create_symlink("../../blobs/bb", snapshot / "model.safetensors");
  fs::create_symlink("../../secret.txt", snapshot / "notes.txt");
  fs::create_symlink(cache / "secret.txt", snapshot / "tokenizer.model");  // of a name that Ingot reads itself
  EXPECT_EQ(companion_files(snapshot), (Names{"config.json", "tokenization_x.py", "tokenizer.model"}));
  copy_companion_files(snapshot, cache / "copy");
  EXPECT_FALSE(fs::is_symlink(cache / "copy/tokenization_x.py"));
  EXPECT_EQ(read_file(cache / "copy/tokenization_x.py"), "text of blobs/aa");
}

TEST(CompanionFiles, LeaveLargeFilesThatNobodyReads) {
  const TemporaryFolder folder;
  make_files(folder.path(), {"config.json", "table.csv", "tokenizer.json"});
  for (const char* name : {"table.csv", "tokenizer.json"}) fs::resize_file(folder / name, (64 << 20) + 1);
  EXPECT_EQ(companion_files(folder.path()), (Names{"config.json", "tokenizer.json"}));
}

TEST(CompanionFiles, ALinkToNothingIsNamed) {
  const TemporaryFolder folder;
  make_files(folder.path(), {"config.json"});
  fs::create_symlink("nowhere", folder / "tokenizer.model");
  EXPECT_NE(error_of([&] { companion_files(folder.path()); }).find("tokenizer.model: is a link to nothing"), std::string::npos);
}

TEST(CompanionFiles, TheCheckNamesWhatIsMissingOrDiffers) {
  const TemporaryFolder folder, copy;
  make_files(folder.path(), {"config.json", "chat_template.jinja", "vocab.json"});
  const auto error_with = [&](const std::string& name, const std::optional<std::string>& text) {
    copy_companion_files(folder.path(), copy.path());
    if (text) write_file(copy / name, *text);
    else fs::remove(copy / name);
    return error_of([&] { check_companion_files(folder.path(), copy.path()); });
  };
  EXPECT_EQ(error_with("config.json", R"({"hidden_size": 8, "dtype": "bfloat16"})"), "");
  EXPECT_NE(error_with("config.json", R"({"hidden_size": 9, "dtype": "float32"})").find("config.json differs"), std::string::npos);
  EXPECT_NE(error_with("vocab.json", "text of vocab_json").find("vocab.json differs"), std::string::npos);
  EXPECT_NE(error_with("chat_template.jinja", {}).find("chat_template.jinja is missing"), std::string::npos);
}

}  // namespace
}  // namespace ingot::hub
