#include "launch/rank_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "core/log.h"
#include "launch/rank_variables.h"

extern char** environ;

namespace ingot::launch {
namespace {

constexpr size_t kLastLines = 10;
constexpr std::chrono::seconds kToStart{120};  // to load its libraries, from a slow disk

struct Pipe {
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0) throw CommError(fmt::format("a pipe to a rank: {}", std::strerror(errno)));
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }
  int ends[2];  // to read, to write
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> found;
  for (auto& text : texts) found.push_back(text.data());
  found.push_back(nullptr);
  return found;
}

/// This process's environment with some variables in place of its own.
std::vector<std::string> environment_with(const std::vector<std::pair<std::string, std::string>>& variables) {
  std::vector<std::string> all;
  for (const auto& [name, value] : variables) all.push_back(name + "=" + value);
  const size_t own = all.size();
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    bool is_replaced = false;
    for (size_t i = 0; i < own && !is_replaced; ++i) is_replaced = text.starts_with(variables[i].first + "=");
    if (!is_replaced) all.emplace_back(text);
  }
  return all;
}

}  // namespace

RankProcess::RankProcess(int64_t rank, const std::vector<std::string>& command, std::vector<std::pair<std::string, std::string>> variables,
                         const std::filesystem::path& log)
    : rank_(rank), log_path_(log), log_(log, std::ios::trunc) {
  if (!log_) throw ConfigError(fmt::format("{}: cannot be written", log.string()));
  Pipe out, err, life;
  variables.emplace_back(kLifeVariable, std::to_string(life.ends[1]));
  auto arguments = command, environment = environment_with(variables);
  const auto argv = pointers(arguments), envp = pointers(environment);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw CommError(fmt::format("rank {}: no process can be made: {}", rank, std::strerror(errno)));
  if (pid_ == 0) {  // only calls that a child of a process with threads may make
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(kExitComm);  // it ended before the line above
    ::setpgid(0, 0);  // a Ctrl-C reaches the ranks through this program alone, once
    ::dup2(out.ends[1], STDOUT_FILENO);
    ::dup2(err.ends[1], STDERR_FILENO);
    ::fcntl(life.ends[1], F_SETFD, 0);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(out.ends[1]);
  ::close(err.ends[1]);
  ::close(life.ends[1]);
  outputs_ = {out.ends[0], err.ends[0]}, life_ = life.ends[0];
  last_sign_ = std::chrono::steady_clock::now() + kToStart;
}

RankProcess::~RankProcess() {
  if (is_running()) {
    signal(SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  for (const int end : {outputs_[0], outputs_[1], life_})
    if (end >= 0) ::close(end);
}

void RankProcess::read(size_t output) {
  char buffer[4096];
  ssize_t count;
  while ((count = ::read(outputs_[output], buffer, sizeof(buffer))) > 0) {
    std::string& text = partial_[output].append(buffer, static_cast<size_t>(count));
    size_t begin = 0;
    for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) say(output, text.substr(begin, end + 1 - begin));
    text.erase(0, begin);
  }
  if (count == 0) {
    if (!partial_[output].empty()) say(output, std::exchange(partial_[output], {}) + "\n");
    ::close(std::exchange(outputs_[output], -1));
  }
}

void RankProcess::say(size_t output, const std::string& line) {
  log_ << line << std::flush;
  if (!log_) {
    if (!std::exchange(log_has_failed_, true)) log_warning(fmt::format("{}: cannot be written, lines are missing in it", log_path_.string()));
    log_.clear();
  }
  if (output == 1) last_lines_.push_back(line);
  if (last_lines_.size() > kLastLines) last_lines_.pop_front();
  if (rank_ == 0) {
    write_or_lose(output == 0 ? stdout : stderr, line);
    std::fflush(output == 0 ? stdout : stderr);
  } else if (output == 1 && (line.find("warning: ") != std::string::npos || line.find("error: ") != std::string::npos)) {
    write_or_lose(stderr, fmt::format("[rank {}] {}", rank_, line));
  }
}

void RankProcess::signal(int number) const {
  if (is_running()) ::kill(pid_, number);
}

void RankProcess::look() {
  int status = 0;
  if (is_running() && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  char signs[256];
  while (::read(life_, signs, sizeof(signs)) > 0) last_sign_ = std::chrono::steady_clock::now();
}

std::chrono::steady_clock::duration RankProcess::silence() const {
  return is_running() ? std::chrono::steady_clock::now() - last_sign_ : std::chrono::steady_clock::duration::zero();
}

std::optional<int> RankProcess::exit_code() const {
  if (!status_) return {};
  return WIFSIGNALED(*status_) ? 128 + WTERMSIG(*status_) : WEXITSTATUS(*status_);
}

std::string RankProcess::last_words() const {
  std::string text;
  for (const auto& line : last_lines_) text += "  " + line;
  return text;
}

}  // namespace ingot::launch
