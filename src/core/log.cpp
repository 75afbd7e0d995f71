#include "core/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <ctime>

namespace ingot {
namespace {

std::atomic<bool> quiet{false};
thread_local int quiet_depth = 0;  // QuietThreads that live

void write_line(std::string_view prefix, std::string_view text) {
  const char* clear_bar = ::isatty(STDERR_FILENO) ? "\r\x1b[K" : "";
  const std::time_t now = std::time(nullptr);
  write_or_lose(stderr, fmt::format("{}{:%H:%M:%S} {}{}\n", clear_bar, fmt::localtime(now), prefix, text));
}

}  // namespace

void write_or_lose(std::FILE* stream, std::string_view text) { std::fwrite(text.data(), 1, text.size(), stream); }

void log_info(std::string_view text) {
  if (!is_quiet()) write_line("", text);
}
void log_warning(std::string_view text) {
  if (quiet_depth == 0) write_line("warning: ", text);
}
void log_error(std::string_view text) { write_line("error: ", text); }
void set_quiet(bool value) { quiet = value; }
bool is_quiet() { return quiet || quiet_depth > 0; }

QuietThread::QuietThread() { ++quiet_depth; }
QuietThread::~QuietThread() { --quiet_depth; }

}  // namespace ingot
