#include "data/sft/preprocess_sft.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "core/log.h"
#include "data/sft/sample_origins.h"
#include "data/sft/sft_files.h"
#include "data/shards/indexed_dataset.h"
#include "data/shards/indexed_layout.h"
#include "line_chat.h"
#include "places.h"
#include "test_files.h"

namespace ingot::data {
namespace {
namespace fs = std::filesystem;

SftPreprocessOptions sft_options(const ScratchFolder& folder, const fs::path& input) {
  set_quiet(true);
  SftPreprocessOptions options;
  options.inputs = {input};
  options.output_prefix = folder / "out";
  options.tokenizer_identity = "bytes";
  options.num_workers = 2;
  return options;
}

SftReport preprocess(const SftPreprocessOptions& options) { return preprocess_sft(options, LineChat(), ByteTokenizer()); }

Json ledger_of(const ScratchFolder& folder) { return read_json(ledger_path(folder / "out")); }

/// Records == kept + skipped and tokens == kept + cut + skipped, as the ledger file tells them.
void expect_balance(const Json& ledger) {
  uint64_t samples = ledger["samples"], tokens = ledger["tokens"]["kept"].get<uint64_t>() + ledger["cut"]["tokens"].get<uint64_t>();
  for (const auto& [reason, entry] : ledger["skipped"].items()) {
    samples += entry["samples"].get<uint64_t>();
    tokens += entry["tokens"].get<uint64_t>();
  }
  EXPECT_EQ(samples, ledger["records"].get<uint64_t>() + ledger["further_samples"].get<uint64_t>());
  EXPECT_EQ(tokens, ledger["tokens"]["rendered"]);
}

const std::string kLines =
    "{\"instruction\":\"q\",\"output\":\"a\"}\n"
    "{\"instruction\":\"q\",\"output\":7}\n"
    "broken\n"
    "{\"conversations\":[{\"from\":\"human\",\"value\":\"x\"},{\"from\":\"gpt\",\"value\":\"a long answer\"}]}\n"
    "{\"instruction\":\"\\udc00\",\"output\":\"a\"}\n";

TEST(PreprocessSft, AColumnOfMapKeysThatNoRecordHasIsRefused) {
  const ScratchFolder folder;
  const auto file = folder.write("in.jsonl", "{\"instruct\": \"Say\", \"input\": \"x\", \"output\": \"a\"}\nbroken\n{\"input\": \"y\", \"output\": \"b\", \"sys\": \"s\"}\n");
  const auto with = [&](MapKeys::Names keys) {
    auto options = sft_options(folder, file);
    options.map_keys = MapKeys(std::move(keys));
    return options;
  };
  EXPECT_EQ(error_of<ConfigError>([&] { preprocess(with({{"prompt", "instuct"}, {"query", "input"}})); }),
            fmt::format("map_keys: prompt: found instuct, in no record of {}; wanted a column: input, instruct, output, sys; did you mean instruct?", file.string()));
  EXPECT_NE(error_of<ConfigError>([&] { preprocess(with({{"system", "syss"}})); }).find("system: found syss"), std::string::npos);
  EXPECT_FALSE(fs::exists(ledger_path(folder / "out")));
  EXPECT_EQ(preprocess(with({{"prompt", "instruct"}, {"query", "input"}, {"system", "sys"}, {"history", "history"}})).samples, 2u);
}

TEST(PreprocessSft, LedgerAccountsForEveryRecordAndToken) {
  const ScratchFolder folder;
  const auto file = folder.write("in.jsonl", kLines);
  auto options = sft_options(folder, file);
  options.sample.cutoff_len = 15;
  const auto report = preprocess(options);
  EXPECT_EQ(report.records, 5u);
  EXPECT_EQ(report.samples, 2u);
  EXPECT_EQ(report.cut_samples, 1u);
  const Json ledger = ledger_of(folder);
  expect_balance(ledger);
  EXPECT_EQ(ledger["handlers"]["alpaca"], 2);
  EXPECT_EQ(ledger["skipped"]["output is a number, not text"]["first"], Json{file.string() + ":2"});
  EXPECT_EQ(ledger["skipped"]["not valid JSON"]["first"], Json{file.string() + ":3"});
  EXPECT_EQ(ledger["cut"]["first"], Json{file.string() + ":4 cut by 7 tokens"});
  EXPECT_EQ(ledger["work"]["options"]["truncation"], "cut_response");
  const SampleOrigins origins(folder / "out", 2);
  EXPECT_EQ(origins.at(1).row, 4u);
  EXPECT_EQ(origins.at(1).cut, 7u);
}

std::string hex_of(const fs::path& file) {
  std::string text;
  for (const unsigned char byte : read_file(file)) text += fmt::format("{:02x}", byte);
  return text;
}

TEST(PreprocessSft, WritesMegatronFilesOfTheseBytes) {
  const ScratchFolder folder;
  auto options = sft_options(folder, folder.write("in.jsonl", "{\"instruction\":\"q\",\"output\":\"a\"}\n"));
  options.megatron_instruction_layout = true;
  preprocess(options);  // "<U:q\nA:a\n>", labels "a\n"
  const SftFiles files(folder / "out");
  EXPECT_EQ(hex_of(bin_path(files.tokens)), "3c0055003a0071000a0041003a0061000a003e00");
  EXPECT_EQ(hex_of(bin_path(files.loss_mask)), "00000000000000010100");
  const std::string index = "4d4d49444944580000" "0100000000000000", tail = "0100000000000000" "0200000000000000" "0a000000"
      "0000000000000000" "0000000000000000" "0100000000000000";
  EXPECT_EQ(hex_of(idx_path(files.tokens)), index + "08" + tail);
  EXPECT_EQ(hex_of(idx_path(files.loss_mask)), index + "01" + tail);
  EXPECT_EQ(hex_of(idx_path(files.packed_labels)), index + "04" + tail);
  EXPECT_EQ(IndexedDataset(files.packed_input_ids).sequence(0), IndexedDataset(files.tokens).sequence(0));
  EXPECT_EQ(IndexedDataset(files.packed_attention_mask).sequence(0), std::vector<TokenId>(10, 1));
  EXPECT_EQ(IndexedDataset(files.packed_labels).sequence(0),
            (std::vector<TokenId>{-100, -100, -100, -100, -100, -100, -100, 'a', '\n', -100}));
}

TEST(PreprocessSft, FinishedWorkIsUsedAgainUntilSomethingChanges) {
  const ScratchFolder folder;
  auto options = sft_options(folder, folder.write("in.jsonl", kLines));
  EXPECT_FALSE(preprocess(options).reused);
  EXPECT_TRUE(preprocess(options).reused);
  options.sample.mask_history = true;
  EXPECT_FALSE(preprocess(options).reused);
  options.template_identity = "another";
  EXPECT_FALSE(preprocess(options).reused);
  const auto mask = bin_path(SftFiles(folder / "out").loss_mask);
  std::string bytes = read_file(mask);
  bytes[0] ^= 1;
  write_file(mask, bytes);
  EXPECT_FALSE(preprocess(options).reused);
  EXPECT_TRUE(preprocess(options).reused);
}

TEST(PreprocessSft, GivesOneSampleATurnAndBalances) {
  const ScratchFolder folder;
  auto options = sft_options(folder, folder.write("in.jsonl",
      "{\"chat\":{\"turn_1\":{\"Human\":\"q\",\"MOSS\":\"a\"},\"turn_2\":{\"Human\":\"q\",\"MOSS\":\"a\"}}}\n"));
  options.handler_name = "MOSSInstructionHandler";
  options.sample.truncation = Truncation::kSkip;
  options.sample.cutoff_len = 12;
  EXPECT_EQ(preprocess(options).samples, 1u);
  const Json ledger = ledger_of(folder);
  expect_balance(ledger);
  EXPECT_EQ(ledger["records"], 1);
  EXPECT_EQ(ledger["further_samples"], 1);
}

TEST(PreprocessSft, NamesTheRecordThatIsTooLong) {
  const ScratchFolder folder;
  const auto file = folder.write("in.jsonl", kLines);
  auto options = sft_options(folder, file);
  options.sample.truncation = Truncation::kError;
  options.sample.cutoff_len = 15;
  const auto message = error_of<DataError>([&] { preprocess(options); });
  EXPECT_EQ(message.find(file.string() + ":4: 22 tokens, wanted at most cutoff_len = 15"), 0u) << message;
  EXPECT_EQ(folder.names(), (std::vector<std::string>{"in.jsonl"}));
}

TEST(PreprocessSft, RefusesASetOfNothingWithTheReasons) {
  const ScratchFolder folder;
  const auto options = sft_options(folder, folder.write("in.csv", "a,b\n1,2\n3\n"));
  const auto message = error_of<DataError>([&] { preprocess(options); });
  EXPECT_NE(message.find("nothing to train on among 2 records"), std::string::npos) << message;
  EXPECT_NE(message.find("(keys a, b)"), std::string::npos) << message;
}

TEST(PreprocessSft, ReadsAtMostSoManyRecords) {
  const ScratchFolder folder;
  auto options = sft_options(folder, folder.write("in.jsonl", kLines));
  options.max_samples = 1;
  EXPECT_EQ(preprocess(options).records, 1u);
}

TEST(PreprocessSft, EveryRealFileBalances) {
  const fs::path real = shared_folder() / "data/sft";
  if (!fs::is_directory(real)) GTEST_SKIP() << "no folder shared/ beside the checkout";
  const std::map<std::string, std::pair<uint64_t, uint64_t>> wanted{  // records, samples
      {"alpaca_en.json", {999, 999}},         {"alpaca_zh.json", {1000, 1000}},
      {"sharegpt_zh.jsonl", {350, 348}},      {"moss_no_plugins.jsonl", {230, 230}},
      {"moss_plugins.jsonl", {60, 60}},       {"messages_openai_en.jsonl", {128, 128}},
      {"alpaca_zh.zstd.parquet", {1000, 1000}}, {"sharegpt_zh.nested.zstd.parquet", {350, 348}}};
  for (const auto& [name, counts] : wanted) {
    const ScratchFolder folder;
    const auto file = fs::exists(real / name) ? real / name : real / "parquet" / name;
    for (const auto& truncation : {Truncation::kCutResponse, Truncation::kCutPrompt, Truncation::kSkip}) {
      auto options = sft_options(folder, file);
      options.sample.truncation = truncation;
      options.sample.cutoff_len = truncation == Truncation::kCutResponse ? 4096 : 700;
      const auto report = preprocess(options);
      expect_balance(ledger_of(folder));
      EXPECT_EQ(report.records, counts.first) << name;
      if (truncation == Truncation::kCutResponse) {
        EXPECT_EQ(report.samples, counts.second) << name;
      }
    }
  }
}

}  // namespace
}  // namespace ingot::data
