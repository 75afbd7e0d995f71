#include "core/lease.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <iterator>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/take_lease.h"
#include "temporary_folder.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

LeaseTerms terms_in(const TemporaryFolder& folder) {
  return {.file = folder / ".lease", .guarded = folder.path(), .wait = false, .beat = milliseconds(20), .silence = milliseconds(400)};
}

/// A process of its own; what it returns is its exit status.
pid_t start(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    int status = 99;
    try {
      status = work();
    } catch (const Error& error) {
      status = error.exit_code();
    }
    ::_exit(status);
  }
  return child;
}

int status_of(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void wait_for(const fs::path& file) {
  for (int tries = 0; tries < 1000 && !fs::exists(file); ++tries) ::usleep(10'000);
  ASSERT_TRUE(fs::exists(file));
}

/// A process that held the lease and was killed with it.
void leave_dead_lease(const TemporaryFolder& folder) {
  const pid_t child = start([&] {
    const Lease lease(terms_in(folder));
    ::pause();
    return 0;
  });
  wait_for(folder / ".lease");
  ::kill(child, SIGKILL);
  EXPECT_EQ(status_of(child), 128 + SIGKILL);
}

/// Writes a lease of a process that is this one but for what `change` does.
void put_lease(const fs::path& file, const std::function<void(LeaseRecord&)>& change) {
  LeaseRecord record{this_process(), "0123456789abcdef", "2026-01-31T10:50:20.123Z"};
  change(record);
  write_file(file, lease_text(record));
}

/// What is thrown by who wants the lease, "" when it gets it.
std::string refusal(const LeaseTerms& terms, const std::function<void(const Lease&)>& holding = [](const Lease&) {}) {
  try {
    const Lease lease(terms);
    holding(lease);
  } catch (const Error& error) {
    return std::to_string(error.exit_code()) + ": " + error.what();
  }
  return "";
}

void expect_all_in(const std::string& text, std::initializer_list<std::string> parts) {
  for (const auto& part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
}

size_t files_in(const TemporaryFolder& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()));
}

TEST(Lease, IsRefusedWhileAProcessHoldsItAndGoneAfterwards) {
  const TemporaryFolder folder;
  {
    const Lease lease(terms_in(folder));
    const pid_t other = start([&] { return refusal(terms_in(folder)).find("another run") == std::string::npos; });
    EXPECT_EQ(status_of(other), 0);
    expect_all_in(refusal(terms_in(folder)), {"2: ", "process " + std::to_string(::getpid()), "delete " + (folder / ".lease").string()});
    lease.check();
  }
  EXPECT_EQ(files_in(folder), 0u);
}

TEST(Lease, OfAKilledProcessIsTakenOverInOneLine) {
  const TemporaryFolder folder;
  leave_dead_lease(folder);
  testing::internal::CaptureStderr();
  EXPECT_EQ(refusal(terms_in(folder)), "");
  const std::string said = testing::internal::GetCapturedStderr();
  expect_all_in(said, {"taken over from process", "is dead"});
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1);
  EXPECT_EQ(files_in(folder), 0u);
}

TEST(Lease, OfAZombieIsDead) {
  const TemporaryFolder folder;
  const pid_t child = start([&] {
    put_lease(folder / ".lease", [](LeaseRecord&) {});
    return 0;
  });
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(refusal(terms_in(folder)), "");
  status_of(child);
}

TEST(Lease, OfAnotherProcessWithTheSameNumberIsDead) {
  const TemporaryFolder folder;
  put_lease(folder / ".lease", [](LeaseRecord& lease) { lease.owner.started -= 1; });
  EXPECT_EQ(refusal(terms_in(folder)), "");
}

TEST(Lease, OfAnEarlierBootOfAMachineThatHasAnIdIsDead) {
  const ProcessIdentity self = this_process();
  ProcessIdentity before = self;
  before.boot = "another";
  EXPECT_EQ(liveness_of(before), self.machine.empty() ? Liveness::kUnseen : Liveness::kDead);
  before.machine = "another";  // whose host has the same name
  EXPECT_EQ(liveness_of(before), Liveness::kUnseen);
}

TEST(Lease, OfAnotherHostOrContainerIsNeverDeadByAge) {
  const ProcessIdentity self = this_process();
  ProcessIdentity other = self;
  other.host = "elsewhere";
  EXPECT_EQ(liveness_of(other), Liveness::kUnseen);
  other = self;
  other.namespaces = "pid:[1]";
  EXPECT_EQ(liveness_of(other), Liveness::kUnseen);
  EXPECT_EQ(liveness_of(self), Liveness::kAlive);
}

TEST(Lease, OfAnotherHostIsTakenOverWhenItsHeartbeatIsSilentForTheStatedTime) {
  const TemporaryFolder folder;
  put_lease(folder / ".lease", [](LeaseRecord& lease) { lease.owner.host = "elsewhere"; });
  const auto begin = std::chrono::steady_clock::now();
  testing::internal::CaptureStderr();
  EXPECT_EQ(refusal(terms_in(folder)), "");
  expect_all_in(testing::internal::GetCapturedStderr(), {"elsewhere", "heartbeat is watched", "gone silent"});
  EXPECT_GE(std::chrono::steady_clock::now() - begin, terms_in(folder).silence);
}

TEST(Lease, OfAnotherHostWhoseHeartbeatMovesIsRefused) {
  const TemporaryFolder folder;
  const auto beat = [&](int number) {
    put_lease(folder / ".lease", [&](LeaseRecord& lease) {
      lease.owner.host = "elsewhere";
      lease.heartbeat = "beat " + std::to_string(number);
    });
  };
  beat(0);
  const pid_t owner = start([&] {
    for (int number = 1;; ++number) {
      ::usleep(30'000);
      beat(number);
    }
    return 0;
  });
  expect_all_in(refusal(terms_in(folder)), {"2: ", "another run", "elsewhere", "last heartbeat at beat "});
  ::kill(owner, SIGKILL);
  status_of(owner);
}

TEST(Lease, DamagedIsNamedAndKept) {
  const TemporaryFolder folder;
  const auto damaged = [&] { expect_all_in(refusal(terms_in(folder)), {"3: ", (folder / ".lease").string(), "is damaged", "delete it"}); };
  for (const char* text : {"", "{", "[]", "{}", R"({"host": 3})", "\xff\xfe"}) {
    write_file(folder / ".lease", text);
    damaged();
    EXPECT_EQ(read_file(folder / ".lease"), text);
  }
  put_lease(folder / ".lease", [](LeaseRecord& lease) { lease.owner.pid = -1; });  // kill(-1) would mean every process
  damaged();
  fs::remove(folder / ".lease");
  fs::create_directory(folder / ".lease");
  damaged();
  fs::remove(folder / ".lease");
  fs::create_symlink("/etc/passwd", folder / ".lease");
  damaged();
}

TEST(Lease, OfEightWhoTakeOverAtOnceOneGetsIt) {
  for (int round = 0; round < 10; ++round) {
    const TemporaryFolder folder, results;
    leave_dead_lease(folder);
    std::vector<pid_t> takers;
    for (int taker = 0; taker < 8; ++taker)
      takers.push_back(start([&] {
        while (!fs::exists(results / "go")) ::usleep(100);
        const auto has_tried = [&] { write_file(results / std::to_string(::getpid()), ""); };
        const std::string refused = refusal(terms_in(folder), [&](const Lease& lease) {
          has_tried();
          wait_for(results / "end");
          lease.check();
        });
        if (!refused.empty()) has_tried();
        return refused.empty() ? 0 : 1;
      }));
    write_file(results / "go", "");
    // who gets it holds it until all have tried
    for (int tries = 0; tries < 1000 && files_in(results) < 1 + takers.size(); ++tries) ::usleep(10'000);
    write_file(results / "end", "");
    int winners = 0;
    for (const pid_t taker : takers) winners += status_of(taker) == 0;
    EXPECT_EQ(winners, 1) << "round " << round;
    EXPECT_EQ(files_in(folder), 0u);
  }
}

TEST(Lease, OfEightWhoWaitEachGetsItAlone) {
  const TemporaryFolder folder;
  LeaseTerms terms = terms_in(folder);
  terms.wait = true;
  std::vector<pid_t> takers;
  for (int taker = 0; taker < 8; ++taker)
    takers.push_back(start([&] {
      const Lease lease(terms);
      const bool alone = fs::create_directory(folder / "inside");
      ::usleep(20'000);
      fs::remove(folder / "inside");
      return alone ? 0 : 1;
    }));
  for (const pid_t taker : takers) EXPECT_EQ(status_of(taker), 0);
}

TEST(Lease, TakesOverWhereTheOneBeforeWasKilledTakingOver) {
  const TemporaryFolder folder;
  leave_dead_lease(folder);
  fs::copy_file(folder / ".lease", folder / ".lease.takeover");
  write_file(folder / ".lease.new-0123", "");
  EXPECT_EQ(refusal(terms_in(folder)), "");
  EXPECT_EQ(files_in(folder), 0u);
}

TEST(Lease, ThatIsLostIsNoticedBeforeAnythingIsPutInPlace) {
  const TemporaryFolder folder;
  for (const bool replaced : {false, true}) {
    const Lease lease(terms_in(folder));
    write_file(folder / "a", "before");
    fs::remove(folder / ".lease");
    if (replaced) {
      std::FILE* file = std::fopen((folder / ".lease").c_str(), "w");
      std::fputs(lease_text({this_process(), "f", "now"}).c_str(), file);
      std::fclose(file);
    }
    EXPECT_THROW(write_file(folder / "a", "after"), CommError);
    EXPECT_EQ(read_file(folder / "a"), "before");
    ::usleep(60'000);  // a heartbeat does not bring it back
    EXPECT_THROW(lease.check(), CommError);
  }
  EXPECT_TRUE(fs::exists(folder / ".lease"));  // another's is left alone
}

TEST(Lease, BeatsInItsFile) {
  const TemporaryFolder folder;
  const Lease lease(terms_in(folder));
  const auto first = read_lease(folder / ".lease");
  ::usleep(100'000);
  const auto later = read_lease(folder / ".lease");
  ASSERT_TRUE(first && later);
  EXPECT_NE(first->heartbeat, later->heartbeat);
  EXPECT_EQ(first->heartbeat.size(), later->heartbeat.size());
  EXPECT_EQ(first->id, later->id);
}

TEST(Lease, ATrialTakesWhatIsFreeOrDeadAndLeavesTheRest) {
  const TemporaryFolder folder;
  LeaseTrial trial(terms_in(folder));
  {
    const Lease held(terms_in(folder));
    EXPECT_EQ(trial.attempt(), nullptr);
    EXPECT_EQ(trial.holder().value().owner.pid, ::getpid());
  }
  EXPECT_NE(trial.attempt(), nullptr);
  leave_dead_lease(folder);
  auto own = trial.attempt();
  ASSERT_NE(own, nullptr);
  const Lease kept(trial.terms(), std::move(own));
  EXPECT_EQ(read_lease(folder / ".lease").value().id, kept.id());
}

}  // namespace
}  // namespace ingot
