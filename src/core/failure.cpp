#include "core/failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <system_error>

#include "core/memory.h"

namespace ingot {
namespace fs = std::filesystem;
namespace {

Failure out_of_memory(const std::string& asked) { return {kExitComm, fmt::format("out of memory: {}{}", asked, memory_text())}; }

Failure of_path(const fs::filesystem_error& error) {
  const std::string second = error.path2().empty() ? "" : " and " + error.path2().string();
  return {exit_code_of(error.code().value()), fmt::format("{}{}: {}", error.path1().string(), second, error.code().message())};
}

/// LibTorch's allocator throws an error of its own: "... can't allocate memory: you tried to allocate 4096 bytes. Error ...".
bool of_allocator(const std::string& text) { return text.find("you tried to allocate") != text.npos; }

std::string asked_bytes(const std::string& text) {
  const size_t begin = text.find("allocate ", text.find("you tried to allocate")) + sizeof("allocate ") - 1;
  return fmt::format("{} bytes were asked for, ", text.substr(begin, text.find(' ', begin) - begin));
}

}  // namespace

ExitCode exit_code_of(int system_error) {
  static constexpr std::array kMachine{ENOSPC, EDQUOT, EIO,    ENOMEM, EMFILE,    ENFILE,       EAGAIN,  EBUSY,
                                       ENODEV, ENXIO, EFBIG,  ESTALE, ETXTBSY, ETIMEDOUT, ECONNRESET, ENOTCONN, ENOBUFS};
  return std::find(kMachine.begin(), kMachine.end(), system_error) != kMachine.end() ? kExitComm : kExitConfig;
}

void throw_refused(int system_error, const std::string& message) {
  if (exit_code_of(system_error) == kExitComm) throw CommError(message);
  throw ConfigError(message);
}

Failure describe_failure(const std::exception& error) {
  const std::string text = error.what();
  if (const auto* ours = dynamic_cast<const Error*>(&error)) return {ours->exit_code(), text};
  if (const auto* path = dynamic_cast<const fs::filesystem_error*>(&error)) return of_path(*path);
  if (dynamic_cast<const std::bad_alloc*>(&error)) return out_of_memory("");
  if (dynamic_cast<const std::length_error*>(&error)) return out_of_memory("more was asked for than can be addressed, ");
  if (of_allocator(text)) return out_of_memory(asked_bytes(text));
  if (const auto* system = dynamic_cast<const std::system_error*>(&error)) {
    const bool thread = system->code() == std::errc::resource_unavailable_try_again;
    return {kExitComm, thread ? fmt::format("a thread cannot be started: {}", text) : text};
  }
  return {kExitBug, "internal error, please report: " + text};
}

}  // namespace ingot
