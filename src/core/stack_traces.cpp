#include "core/stack_traces.h"

#include <execinfo.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace ingot {
namespace {

// All of this runs inside handlers of signals: nothing allocates, locks or throws.

constexpr int kMostCalls = 100, kMostThreads = 1024;
std::atomic<bool> is_asking = false, has_answered = false;

int thread_signal() { return SIGRTMIN + 4; }
pid_t own_thread() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

void write_text(const char* text) { [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, std::strlen(text)); }

void write_number(int64_t number) {
  std::array<char, 24> digits{};
  *std::to_chars(digits.data(), digits.data() + digits.size() - 1, number).ptr = '\0';
  write_text(digits.data());
}

void write_own_stack() {
  std::array<char, 17> name{};
  std::array<char, 1024> program{};  // below it may be called by another name
  ::prctl(PR_GET_NAME, name.data());
  [[maybe_unused]] const auto length = ::readlink("/proc/self/exe", program.data(), program.size() - 1);
  write_text("stack of thread "), write_number(own_thread()), write_text(" ("), write_text(name.data()), write_text(") of "), write_text(program.data()), write_text(":\n");
  std::array<void*, kMostCalls> calls;
  ::backtrace_symbols_fd(calls.data(), ::backtrace(calls.data(), kMostCalls), STDERR_FILENO);
}

void on_thread_signal(int) {
  const int error = errno;
  write_own_stack();
  has_answered = true;
  errno = error;
}

/// Fills `threads` with the numbers of this process's threads; returns how many there are.
int list_threads(std::array<pid_t, kMostThreads>& threads) {
  struct Entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[1];
  };
  const int folder = ::open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int count = 0;
  alignas(Entry) std::array<char, 4096> buffer;
  for (long size; folder >= 0 && (size = ::syscall(SYS_getdents64, folder, buffer.data(), buffer.size())) > 0;)
    for (long at = 0; at < size && count < kMostThreads;) {
      const auto* entry = reinterpret_cast<const Entry*>(buffer.data() + at);
      pid_t thread = 0;
      std::from_chars(entry->name, entry->name + std::strlen(entry->name), thread);
      if (thread > 0) threads[static_cast<size_t>(count++)] = thread;
      at += entry->length;
    }
  if (folder >= 0) ::close(folder);
  return count;
}

/// One thread at a time; one that does not answer, as it blocks signals or sleeps in the kernel, is left.
void ask(pid_t thread) {
  has_answered = false;
  if (::syscall(SYS_tgkill, ::getpid(), thread, thread_signal()) != 0) return;
  for (int tries = 0; tries < 500 && !has_answered; ++tries) {
    const timespec millisecond{0, 1'000'000};
    ::nanosleep(&millisecond, nullptr);
  }
  if (!has_answered) write_text("stack of thread "), write_number(thread), write_text(": it does not answer\n");
}

void on_request(int) {
  const int error = errno;
  if (is_asking.exchange(true)) return;
  static std::array<pid_t, kMostThreads> threads;
  const int count = list_threads(threads);
  for (int i = 0; i < count; ++i)
    if (const pid_t thread = threads[static_cast<size_t>(i)]; thread == own_thread()) write_own_stack();
    else ask(thread);
  is_asking = false;
  errno = error;
}

/// Its handler is gone when it runs: the fault happens again and ends the process as it would have.
void on_fault(int number) {
  write_text("error: a fault of this program, signal "), write_number(number), write_text("; ");
  write_own_stack();
  std::raise(number);
}

void handle(int number, void (*handler)(int), int flags) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  ::sigaction(number, &action, nullptr);
}

}  // namespace

void report_stacks() {
  std::array<void*, 1> call;
  ::backtrace(call.data(), 1);  // loads what it needs, which a handler may not
  handle(SIGUSR1, on_request, SA_RESTART);
  handle(thread_signal(), on_thread_signal, SA_RESTART);
  for (const int fault : {SIGSEGV, SIGILL, SIGFPE, SIGABRT}) handle(fault, on_fault, SA_RESETHAND | SA_NODEFER);
}

}  // namespace ingot
