#include "data/shards/preprocess.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/stop.h"
#include "data/shards/indexed_dataset.h"
#include "test_files.h"

namespace ingot::data {
namespace {

PreprocessOptions options_for(const ScratchFolder& folder, std::vector<std::filesystem::path> inputs) {
  set_quiet(true);
  PreprocessOptions options;
  options.inputs = std::move(inputs);
  options.output_prefix = folder / "out";
  options.eod_id = 256;
  options.tokenizer_identity = "bytes";
  options.num_workers = 3;
  return options;
}

/// JSON lines of some hundred kilobytes, so that several batches are under way.
std::string many_lines(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) lines += "{\"text\":\"" + std::to_string(i) + std::string(1000, 'x') + "\"}\n";
  return lines;
}

const std::vector<std::string> kWholeOutput{"out_text_document.bin", "out_text_document.idx",
                                            "out_text_document.ledger.json"};

std::vector<std::string> outputs(const ScratchFolder& folder) {
  std::vector<std::string> names;
  for (const auto& name : folder.names())
    if (name.find("out_") != std::string::npos) names.push_back(name);
  return names;
}

TEST(Preprocess, DocumentsKeepTheOrderOfFilesAndRecords) {
  const ScratchFolder folder;
  folder.write("in/a.jsonl.gz", gzipped(many_lines(3000)));
  folder.write("in/b.txt", "tail");
  const auto report = preprocess_pretrain(options_for(folder, {folder / "in"}), ByteTokenizer()).at(0);
  EXPECT_EQ(report.prefix, folder / "out_text_document");
  EXPECT_EQ(report.documents, 3001u);
  const IndexedDataset data(report.prefix);
  EXPECT_EQ(data.num_tokens(), report.tokens);
  const ByteTokenizer bytes;
  for (uint64_t i = 0; i < 3000; ++i) {
    auto expected = bytes.encode(std::to_string(i) + std::string(1000, 'x'));
    expected.push_back(256);
    ASSERT_EQ(data.sequence(i), expected);
  }
  EXPECT_EQ(data.sequence(3000), (std::vector<TokenId>{'t', 'a', 'i', 'l', 256}));
}

TEST(Preprocess, LedgerAccountsForEveryRecord) {
  const ScratchFolder folder;
  const auto file =
      folder.write("a.jsonl", "{\"text\":\"a\"}\n{\"text\":\"\"}\nbroken\n{\"text\":null}\n{\"x\":1}\n\n{}\n");
  const auto report = preprocess_pretrain(options_for(folder, {file}), ByteTokenizer()).at(0);
  const std::map<std::string, uint64_t> skipped{
      {"column text is null", 1}, {"empty text", 1}, {"no column text", 2}, {"not valid JSON", 1}};
  EXPECT_EQ(report.skipped, skipped);
  EXPECT_EQ(report.records, 6u);
  EXPECT_EQ(report.documents, 1u);
  const Json ledger = read_json(folder / "out_text_document.ledger.json");
  EXPECT_EQ(ledger["skipped"]["no column text"]["first"], (Json{file.string() + ":5", file.string() + ":7"}));
  EXPECT_EQ(ledger["work"]["inputs"][0]["bytes"], std::filesystem::file_size(file));
  EXPECT_EQ(outputs(folder), kWholeOutput);
}

TEST(Preprocess, EndOfDocumentIsLeftOutOnRequest) {
  const ScratchFolder folder;
  auto options = options_for(folder, {folder.write("a.txt", "ab")});
  options.append_eod = false;
  const auto report = preprocess_pretrain(options, ByteTokenizer()).at(0);
  EXPECT_EQ(IndexedDataset(report.prefix).sequence(0), (std::vector<TokenId>{'a', 'b'}));
}

TEST(Preprocess, SeveralColumnsGiveSeveralOutputs) {
  const ScratchFolder folder;
  auto options = options_for(folder, {folder.write("a.jsonl", "{\"title\":\"t\",\"content\":\"cc\"}\n")});
  options.json_keys = {"title", "content"};
  const auto reports = preprocess_pretrain(options, ByteTokenizer());
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_EQ(IndexedDataset(folder / "out_title_document").num_tokens(), 2u);
  EXPECT_EQ(IndexedDataset(folder / "out_content_document").num_tokens(), 3u);
}

TEST(Preprocess, FinishedWorkIsUsedAgainUntilSomethingChanges) {
  const ScratchFolder folder;
  const auto file = folder.write("a.jsonl", many_lines(50));
  auto options = options_for(folder, {file});
  const auto reused = [&] { return preprocess_pretrain(options, ByteTokenizer()).at(0).reused; };
  const auto first = preprocess_pretrain(options, ByteTokenizer()).at(0);
  const auto again = preprocess_pretrain(options, ByteTokenizer()).at(0);
  EXPECT_FALSE(first.reused);
  EXPECT_TRUE(again.reused);
  EXPECT_EQ(again.tokens, first.tokens);
  options.tokenizer_identity = "other bytes";
  EXPECT_FALSE(reused());
  EXPECT_TRUE(reused());
  options.append_eod = false;
  EXPECT_FALSE(reused());
  const auto time = std::filesystem::last_write_time(file);
  std::filesystem::last_write_time(file, time + std::chrono::seconds(1));
  EXPECT_TRUE(reused()) << "the content is what it was";
  std::string other = many_lines(50);
  other[other.find("text\"") + 8] ^= 1;  // the same size and time
  folder.write("a.jsonl", other);
  std::filesystem::last_write_time(file, time + std::chrono::seconds(1));
  EXPECT_FALSE(reused());
  EXPECT_TRUE(reused());
}

TEST(Preprocess, DamagedOutputIsMadeAgain) {
  const ScratchFolder folder;
  const auto options = options_for(folder, {folder.write("a.jsonl", many_lines(50))});
  preprocess_pretrain(options, ByteTokenizer());
  for (const char* ending : {".bin", ".idx", ".ledger.json"}) {
    const auto file = folder / (std::string("out_text_document") + ending);
    const std::string sound = read_file(file);
    std::string flipped = sound;
    flipped[flipped.size() / 2] ^= 1;
    for (const std::string& damaged : {flipped, sound.substr(0, sound.size() - 5)}) {
      write_file(file, damaged);
      EXPECT_FALSE(preprocess_pretrain(options, ByteTokenizer()).at(0).reused) << file << damaged.size();
      EXPECT_EQ(read_file(file), sound);
    }
  }
}

TEST(Preprocess, NoDocumentAtAllIsAnErrorThatLeavesNothing) {
  const ScratchFolder folder;
  const auto blank = folder.write("a.jsonl", "\n\n"), empty = folder.write("b.jsonl", "{\"text\":\"\"}\n");
  const std::string message =
      error_of<DataError>([&] { preprocess_pretrain(options_for(folder, {blank, empty}), ByteTokenizer()); });
  EXPECT_NE(message.find("a.jsonl"), std::string::npos) << message;
  EXPECT_NE(message.find("no document among 1 records; empty text: 1 records"), std::string::npos) << message;
  EXPECT_TRUE(outputs(folder).empty());
}

TEST(Preprocess, DamagedInputLeavesNothingBehind) {
  const ScratchFolder folder;
  const std::string packed = gzipped(many_lines(2000));
  const auto sound = folder.write("a.jsonl", many_lines(2000));
  const auto cut = folder.write("b.jsonl.gz", packed.substr(0, packed.size() / 2));
  const std::string message =
      error_of<DataError>([&] { preprocess_pretrain(options_for(folder, {sound, cut}), ByteTokenizer()); });
  EXPECT_NE(message.find("b.jsonl.gz: gzip stream ends early"), std::string::npos) << message;
  EXPECT_TRUE(outputs(folder).empty());
}

TEST(Preprocess, StopLeavesNothingAndKeepsTheFinishedWorkBefore) {
  const ScratchFolder folder;
  auto options = options_for(folder, {folder.write("a.jsonl", many_lines(50))});
  preprocess_pretrain(options, ByteTokenizer());
  options.append_eod = false;
  request_stop(SIGINT);
  EXPECT_THROW(preprocess_pretrain(options, ByteTokenizer()), Error);
  clear_stop();
  EXPECT_EQ(outputs(folder), kWholeOutput);
  options.append_eod = true;
  EXPECT_TRUE(preprocess_pretrain(options, ByteTokenizer()).at(0).reused);
}

TEST(Preprocess, OutputFolderThatCannotBeMadeIsNamed) {
  const ScratchFolder folder;
  auto options = options_for(folder, {folder.write("a.txt", "x")});
  options.output_prefix = folder / "a.txt" / "out";
  EXPECT_NE(error_of<ConfigError>([&] { preprocess_pretrain(options, ByteTokenizer()); }).find("a.txt"),
            std::string::npos);
}

TEST(Preprocess, KilledRunsLeaveNoHalfOutputAndTheNextRunIsWhole) {
  const ScratchFolder folder;
  const auto file = folder.write("a.jsonl", many_lines(20000));
  auto options = options_for(folder, {file});
  for (int attempt = 0; attempt < 8; ++attempt) {
    const pid_t child = ::fork();
    if (child == 0) {
      preprocess_pretrain(options, ByteTokenizer());
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(5000 * attempt * attempt));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const bool ledger = std::filesystem::exists(folder / "out_text_document.ledger.json");
    if (ledger) {
      EXPECT_TRUE(preprocess_pretrain(options, ByteTokenizer()).at(0).reused);
    }
  }
  const auto report = preprocess_pretrain(options, ByteTokenizer()).at(0);
  EXPECT_EQ(report.documents, 20000u);
  EXPECT_EQ(outputs(folder), kWholeOutput);
}

TEST(Preprocess, TwoProcessesOnOneOutputTakeTurns) {
  const ScratchFolder folder;
  const auto options = options_for(folder, {folder.write("a.jsonl", many_lines(5000))});
  std::vector<pid_t> children;
  for (int i = 0; i < 3; ++i) {
    children.push_back(::fork());
    if (children.back() == 0) ::_exit(preprocess_pretrain(options, ByteTokenizer()).at(0).reused ? 1 : 0);
  }
  int made = 0;
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
    made += WEXITSTATUS(status) == 0;
  }
  EXPECT_EQ(made, 1);
  EXPECT_EQ(outputs(folder), kWholeOutput);
}

TEST(Preprocess, FullDiskIsReportedAndLeavesNothing) {
  const ScratchFolder folder;
  std::filesystem::create_directory(folder / "small");
  const auto small = folder / "small";
  if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=1m") != 0) GTEST_SKIP() << "no permission to mount a tmpfs";
  auto options = options_for(folder, {folder.write("a.jsonl", many_lines(5000))});
  options.output_prefix = small / "out";
  const std::string message = error_of<CommError>([&] { preprocess_pretrain(options, ByteTokenizer()); });
  EXPECT_NE(message.find("No space left"), std::string::npos) << message;
  EXPECT_TRUE(std::filesystem::is_empty(small));
  ::umount(small.c_str());
}

}  // namespace
}  // namespace ingot::data
