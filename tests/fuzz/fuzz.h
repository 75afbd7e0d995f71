#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"

// A fuzz target is one file beside this one: LLVMFuzzerTestOneInput of libFuzzer, which gives bytes to one reader. What a reader may
// throw at them is DataError and ConfigError; anything else, a crash, a hang or memory beyond the limit is a fault.

namespace ingot::fuzz {

inline std::string_view text_of(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }
inline std::span<const std::byte> bytes_of(const uint8_t* data, size_t size) { return {reinterpret_cast<const std::byte*>(data), size}; }

/// Runs a reader, which may refuse.
template <class Read>
int refuses_or_reads(const Read& read) {
  try {
    read();
  } catch (const DataError&) {
  } catch (const ConfigError&) {
  }
  return 0;
}

/// A folder of this process in memory.
inline const std::filesystem::path& folder() {
  static const std::filesystem::path path = [] {
    auto made = std::filesystem::path("/dev/shm") / ("ingot-fuzz-" + std::to_string(::getpid()));
    std::filesystem::create_directories(made);
    std::atexit([] { std::filesystem::remove_all(folder()); });
    return made;
  }();
  return path;
}

/// A file there with these bytes; the one before of that name is gone, mapped or not.
inline std::filesystem::path file_of(const std::string& name, std::string_view bytes) {
  const auto path = folder() / name;
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

}  // namespace ingot::fuzz
