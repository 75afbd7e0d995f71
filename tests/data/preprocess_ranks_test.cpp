// Several processes make one output: the same files as one alone, whatever happens to them on the way.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>

#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"
#include "data/sft/preprocess_sft.h"
#include "data/shards/await_work.h"
#include "data/shards/preprocess.h"
#include "line_chat.h"
#include "test_files.h"

namespace ingot::data {
namespace {
namespace fs = std::filesystem;

/// Files of several kinds, with records of every fate; a block of 40,000 bytes is a small part of them.
void write_inputs(const ScratchFolder& folder) {
  std::string lines, packed, rows = "text,more\n";
  for (int i = 0; i < 3000; ++i) {
    const std::string text = std::to_string(i) + std::string(i % 97, 'x');
    lines += i % 50 == 7 ? "broken\n" : i % 60 == 9 ? "\r\n\n" : "{\"text\":\"" + text + "\",\"k" + std::to_string(i % 300) + "\":1}\n";
    packed += "{\"instruction\":\"" + text + "\",\"output\":\"" + (i % 11 ? "a" : "") + "\",\"id\":3}\n";
    rows += text + ",\"" + (i % 4 ? "" : "b\n") + "\"\n";
  }
  folder.write("in/a.jsonl", lines);
  folder.write("in/b.jsonl.gz", gzipped(lines));
  folder.write("in/c.csv", rows);
  for (int i = 0; i < 200; ++i) folder.write("in/d/" + std::to_string(1000 + i) + ".txt", std::string(i * 3, 'y'));
  folder.write("in/e.jsonl", lines + lines);
  folder.write("talk/a.jsonl", packed);
  folder.write("talk/b.json", "[{\"instruction\":\"q\",\"output\":\"a\"},{\"instruction\":\"q\"}]");
  folder.write("talk/c.jsonl", packed + packed);
}

int prepare(const ScratchFolder& folder, const std::string& stage, const fs::path& out, JobRank rank) {
  set_quiet(true);
  if (stage == "sft") {
    SftPreprocessOptions options;
    options.inputs = {folder / "talk"}, options.output_prefix = out / "out", options.rank = rank;
    options.num_workers = 2, options.block_bytes = 40'000, options.megatron_instruction_layout = true;
    preprocess_sft(options, LineChat(), ByteTokenizer());
  } else {
    PreprocessOptions options;
    options.inputs = {folder / "in/e.jsonl", folder / "in"}, options.output_prefix = out / "out", options.rank = rank;
    options.num_workers = 2, options.block_bytes = 40'000, options.eod_id = 256;
    preprocess_pretrain(options, ByteTokenizer());
  }
  return 0;
}

pid_t start(const ScratchFolder& folder, const std::string& stage, const fs::path& out, JobRank rank) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  int status = 99;
  try {
    status = prepare(folder, stage, out, rank);
  } catch (const Error& error) {
    status = error.exit_code();
  }
  ::_exit(status);
}

int status_of(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Whether it has ended; it can still be asked for its status.
bool has_ended(pid_t child) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
}

void run_ranks(const ScratchFolder& folder, const std::string& stage, const fs::path& out, int64_t size) {
  std::vector<pid_t> ranks;
  for (int64_t rank = 0; rank < size; ++rank) ranks.push_back(start(folder, stage, out, {rank, size, size}));
  for (const pid_t rank : ranks) EXPECT_EQ(status_of(rank), 0);
}

std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files[entry.path().lexically_relative(folder)] = read_file(entry.path());
  return files;
}

size_t num_pieces(const fs::path& folder) {
  size_t count = 0;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) count += entry->path().extension() == ".piece";
  return count;
}

/// Waits until so many pieces are there, or the process has made all.
void wait_for_pieces(const fs::path& folder, size_t count, pid_t process) {
  while (num_pieces(folder) < count && !has_ended(process)) ::usleep(200);
}

void kill_now(pid_t process) {
  ::kill(process, SIGKILL);
  status_of(process);
}

fs::path pieces_of(const fs::path& out, const std::string& stage) { return out / (stage == "sft" ? ".out.pieces" : ".out_text_document.pieces"); }

class PreprocessRanks : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    write_inputs(folder_);
    run_ranks(folder_, GetParam(), folder_ / "alone", 1);
    alone_ = files_of(folder_ / "alone");
    ASSERT_GE(alone_.size(), 3u);
  }
  /// One process that is killed when it has made so many pieces.
  void kill_behind(size_t pieces, const std::filesystem::path& out) const {
    const pid_t leader = start(folder_, stage_, out, {});
    wait_for_pieces(pieces_of(out, stage_), pieces, leader);
    kill_now(leader);
  }

  const std::string stage_ = GetParam();
  ScratchFolder folder_;
  std::map<std::string, std::string> alone_;
};

TEST_P(PreprocessRanks, OfAnyNumberMakeTheSameFiles) {
  for (const int64_t size : {2, 3, 4}) {
    const auto out = folder_ / std::to_string(size);
    run_ranks(folder_, stage_, out, size);
    EXPECT_EQ(files_of(out) == alone_, true) << size;
  }
}

TEST_P(PreprocessRanks, OneBlockIsMadeAsManyAre) {
  SftPreprocessOptions talk;
  PreprocessOptions texts;
  set_quiet(true);
  talk.inputs = {folder_ / "talk"}, talk.output_prefix = folder_ / "whole/out", talk.megatron_instruction_layout = true;
  texts.inputs = {folder_ / "in/e.jsonl", folder_ / "in"}, texts.output_prefix = folder_ / "whole/out", texts.eod_id = 256;
  if (stage_ == "sft") preprocess_sft(talk, LineChat(), ByteTokenizer());
  else preprocess_pretrain(texts, ByteTokenizer());
  EXPECT_EQ(files_of(folder_ / "whole") == alone_, true);
}

TEST_P(PreprocessRanks, AKilledOneCostsWhatItHadInWork) {
  const auto out = folder_ / "killed", pieces = pieces_of(out, stage_);
  for (int attempt = 0; attempt < 4; ++attempt) {
    std::vector<pid_t> ranks;
    for (int64_t rank = 0; rank < 2; ++rank) ranks.push_back(start(folder_, stage_, out, {rank, 2, 2}));
    const auto before = num_pieces(pieces);
    wait_for_pieces(pieces, before + 3, ranks[0]);
    EXPECT_GE(num_pieces(pieces), before);
    kill_now(ranks[static_cast<size_t>(attempt) % 2]);
    kill_now(ranks[1 - static_cast<size_t>(attempt) % 2]);
  }
  EXPECT_GE(num_pieces(pieces), 10u);
  run_ranks(folder_, stage_, out, 2);
  EXPECT_EQ(files_of(out) == alone_, true);
}

TEST_P(PreprocessRanks, OneThatIsLeftTakesOverTheBlocksOfADeadOne) {
  const auto out = folder_ / "left", pieces = pieces_of(out, stage_);
  const pid_t leader = start(folder_, stage_, out, {0, 3, 3}), helper = start(folder_, stage_, out, {1, 3, 3});  // the third never comes
  wait_for_pieces(pieces, 4, leader);
  kill_now(helper);
  EXPECT_EQ(status_of(leader), 0);
  EXPECT_EQ(files_of(out) == alone_, true);
}

TEST_P(PreprocessRanks, ADamagedPieceIsMadeAgain) {
  const auto out = folder_ / "damaged", pieces = pieces_of(out, stage_);
  kill_behind(3, out);
  for (const char* name : {"000000.piece", "000002.piece"}) {
    std::string bytes = read_file(pieces / name);
    bytes[bytes.size() / 2] ^= 1;
    write_file(pieces / name, bytes);
  }
  run_ranks(folder_, stage_, out, 2);
  EXPECT_EQ(files_of(out) == alone_, true);
}

TEST_P(PreprocessRanks, AStopKeepsTheBlocksThatAreMade) {
  const auto out = folder_ / "stopped", pieces = pieces_of(out, stage_);
  std::signal(SIGTERM, request_stop);
  const pid_t leader = start(folder_, stage_, out, {});
  std::signal(SIGTERM, SIG_DFL);
  wait_for_pieces(pieces, 2, leader);
  ::kill(leader, SIGTERM);
  EXPECT_EQ(status_of(leader), kExitTerminated);
  EXPECT_GE(num_pieces(pieces), 2u);
  run_ranks(folder_, stage_, out, 1);
  EXPECT_EQ(files_of(out) == alone_, true);
}

TEST_P(PreprocessRanks, PiecesOfOtherWorkAreNotUsed) {
  const auto out = folder_ / "other";
  kill_behind(2, out);
  const auto changed = stage_ == "sft" ? folder_ / "talk/a.jsonl" : folder_ / "in/a.jsonl";
  std::string bytes = read_file(changed);
  bytes[bytes.find('0')] = '5';
  write_file(changed, bytes);
  run_ranks(folder_, stage_, out, 1);
  run_ranks(folder_, stage_, folder_ / "fresh", 1);
  EXPECT_EQ(files_of(out) == files_of(folder_ / "fresh"), true);
  EXPECT_EQ(files_of(out) == alone_, false);
}

INSTANTIATE_TEST_SUITE_P(Stages, PreprocessRanks, testing::Values("pt", "sft"), [](const auto& stage) { return std::string(stage.param); });

}  // namespace
}  // namespace ingot::data
