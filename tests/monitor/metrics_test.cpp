#include "monitor/metrics.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"

namespace ingot::monitor {
namespace fs = std::filesystem;
namespace {

/// A fresh folder of each test, removed behind it.
struct MetricsFile : testing::Test {
  void SetUp() override {
    folder = fs::temp_directory_path() / ("ingot_metrics_" + std::to_string(::getpid()));
    fs::remove_all(folder);
    fs::create_directories(folder);
    file = folder / "metrics.jsonl";
  }
  void TearDown() override { fs::remove_all(folder); }

  void write_steps(int64_t resume_step, int64_t first, int64_t last) const {
    MetricsWriter writer(file, resume_step);
    for (int64_t step = first; step <= last; ++step) {
      StepMetrics metrics;
      metrics.step = step, metrics.loss = 1.0 / static_cast<double>(step);
      writer.step(metrics);
    }
  }

  void append(const std::string& text) const { std::ofstream(file, std::ios::app | std::ios::binary) << text; }

  std::vector<Json> lines() const {
    std::vector<Json> found;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) found.push_back(Json::parse(line));
    return found;
  }

  std::vector<int64_t> steps() const {
    std::vector<int64_t> found;
    for (const auto& line : lines()) found.push_back(line["step"].get<int64_t>());
    return found;
  }

  fs::path folder, file;
};

using Steps = std::vector<int64_t>;

TEST_F(MetricsFile, HoldsALineOfEveryStepWithItsExactLoss) {
  write_steps(-1, 1, 3);
  EXPECT_EQ(steps(), (Steps{1, 2, 3}));
  EXPECT_EQ(lines()[2]["loss"].get<double>(), 1.0 / 3.0);
}

TEST_F(MetricsFile, HoldsTheBalanceOfExpertsWhereThereIsOne) {
  write_steps(-1, 1, 1);
  StepMetrics metrics;
  metrics.step = 2, metrics.aux_loss = 2.5, metrics.expert_tokens = {3, 1};
  MetricsWriter(file, 1).step(metrics);
  EXPECT_FALSE(lines()[0].contains("aux_loss") || lines()[0].contains("expert_tokens"));
  EXPECT_EQ(lines()[1]["aux_loss"], 2.5);
  EXPECT_EQ(lines()[1]["expert_tokens"], (Json{3, 1}));
}

TEST_F(MetricsFile, CanBeReadWhileTheWriterIsOpen) {
  MetricsWriter writer(file, -1);
  writer.evaluation(0, 2.0, 77);
  writer.event(5, "checkpoint", "iter_0000005");
  ASSERT_EQ(lines().size(), 2u);
  EXPECT_DOUBLE_EQ(lines()[0]["eval_perplexity"].get<double>(), std::exp(2.0));
  EXPECT_EQ(lines()[0]["eval_tokens"].get<int>(), 77);
  EXPECT_FALSE(lines()[0].contains("loss"));
  EXPECT_EQ(lines()[1]["event"], "checkpoint");
}

TEST_F(MetricsFile, DropsStepsAfterTheResumedOne) {
  write_steps(-1, 1, 9);
  write_steps(5, 6, 7);
  EXPECT_EQ(steps(), (Steps{1, 2, 3, 4, 5, 6, 7}));
}

TEST_F(MetricsFile, DropsEverythingForANewRun) {
  write_steps(-1, 0, 4);
  write_steps(-1, 1, 2);
  EXPECT_EQ(steps(), (Steps{1, 2}));
}

TEST_F(MetricsFile, RepairsATornLastLine) {
  write_steps(-1, 1, 4);
  append(R"({"step":5,"loss":0.)");
  write_steps(5, 5, 6);
  EXPECT_EQ(steps(), (Steps{1, 2, 3, 4, 5, 6}));
}

TEST_F(MetricsFile, RepairsALastLineThatLacksOnlyItsEnd) {
  write_steps(-1, 1, 2);
  append(R"({"step":3})");
  write_steps(3, 3, 4);
  EXPECT_EQ(steps(), (Steps{1, 2, 3, 4}));
}

TEST_F(MetricsFile, DropsLinesThatAreNotItsOwn) {
  write_steps(-1, 1, 1);
  append("noise\n[1]\n{\"step\":\"1\"}\n{\"loss\":1}\n\n");
  write_steps(1, 2, 2);
  EXPECT_EQ(steps(), (Steps{1, 2}));
}

TEST_F(MetricsFile, EscapesTextThatIsNotUnicode) {
  MetricsWriter(file, -1).event(1, "stop", "a\nb\xff\"");
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_EQ(lines()[0]["text"], "a\nb\xef\xbf\xbd\"");
}

TEST_F(MetricsFile, LeavesNoPartialFileBehind) {
  write_steps(-1, 1, 3);
  write_steps(3, 4, 4);
  write_steps(2, 3, 3);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
}

TEST_F(MetricsFile, RefusesAFolderThatDoesNotExist) {
  EXPECT_THROW(MetricsWriter(folder / "none" / "metrics.jsonl", -1), ConfigError);
}

TEST_F(MetricsFile, RefusesWhatIsNotARegularFile) {
  fs::create_symlink("/dev/null", file);
  EXPECT_THROW(MetricsWriter(file, -1), DataError);
}

TEST_F(MetricsFile, ReportsALineThatCannotBeWritten) {
  MetricsWriter writer(file, -1);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit none{0, before.rlim_max};
  std::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &none);
  EXPECT_THROW(writer.event(1, "stop", "no byte fits"), CommError);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_DFL);
}

}  // namespace
}  // namespace ingot::monitor
