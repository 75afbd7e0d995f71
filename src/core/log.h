#pragma once

#include <cstdio>
#include <string_view>

namespace ingot {

/// One line on standard error with the time: "10:50:20 text". Clears a progress bar that stands there.
void log_info(std::string_view text);

/// The same with "warning:" before it.
void log_warning(std::string_view text);

/// The same with "error:" before it; the last thing a failing program says.
void log_error(std::string_view text);

/// True silences log_info and progress (`--quiet`); warnings and errors stay.
void set_quiet(bool quiet);
bool is_quiet();  // or the thread is

/// While one lives, lines and bars of this thread are not shown, but for errors: where another one of the process does the same and tells of it.
class QuietThread {
 public:
  QuietThread();
  ~QuietThread();
  QuietThread(const QuietThread&) = delete;
  QuietThread& operator=(const QuietThread&) = delete;
};

/// Writes to standard output or error. What cannot be written, as on a full disk, is lost and ends nothing; ferror() tells.
void write_or_lose(std::FILE* stream, std::string_view text);

}  // namespace ingot
