#include "core/process_identity.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

namespace ingot {
namespace {

/// Without the end of the line; empty when it cannot be read. Such files have no size that could be asked for.
std::string small_file(const std::string& file) {
  std::ifstream in(file);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  return text.substr(0, text.find_last_not_of(" \n") + 1);
}

std::string link_target(const char* link) {
  std::array<char, 256> target{};
  const ssize_t length = ::readlink(link, target.data(), target.size());
  return length < 0 ? "" : std::string(target.data(), static_cast<size_t>(length));
}

std::string host_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

struct ProcessStatus {
  char state = 0;
  int64_t threads = 0, started = 0;
};

/// Of /proc/PID/stat, "PID (NAME) STATE ..."; the name may hold anything.
std::optional<ProcessStatus> status_of(int64_t pid) {
  const std::string text = small_file("/proc/" + std::to_string(pid) + "/stat");
  const size_t name_end = text.rfind(')');
  if (name_end == text.npos) return {};
  std::istringstream fields(text.substr(name_end + 1));
  ProcessStatus status;
  fields >> status.state;
  std::string skipped;
  for (int field = 4; field < 20; ++field) fields >> skipped;
  fields >> status.threads >> skipped >> status.started;
  return fields ? std::optional(status) : std::nullopt;
}

bool runs_here(const ProcessIdentity& process) {
  if (::kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH) return false;
  const auto status = status_of(process.pid);
  if (!status) return true;  // another user's, which this system hides
  const bool ended = (status->state == 'Z' || status->state == 'X') && status->threads <= 1;  // not yet asked for by its parent
  return !ended && status->started == process.started;
}

}  // namespace

ProcessIdentity this_process() {
  ProcessIdentity self{host_name(), small_file("/etc/machine-id"), small_file("/proc/sys/kernel/random/boot_id"), {}, ::getpid(), 0};
  self.namespaces = link_target("/proc/self/ns/pid") + " " + link_target("/proc/self/ns/time");
  if (const auto status = status_of(self.pid)) self.started = status->started;
  return self;
}

Liveness liveness_of(const ProcessIdentity& process) {
  const ProcessIdentity self = this_process();
  const bool same_host = process.host == self.host && process.machine == self.machine;
  const bool know_boots = !process.boot.empty() && !self.boot.empty();
  // Host names repeat ("localhost"), so a restart is believed only of a machine that has an id.
  if (same_host && know_boots && process.boot != self.boot) return self.machine.empty() ? Liveness::kUnseen : Liveness::kDead;
  if (!same_host || !know_boots || process.namespaces != self.namespaces) return Liveness::kUnseen;
  return runs_here(process) ? Liveness::kAlive : Liveness::kDead;
}

}  // namespace ingot
