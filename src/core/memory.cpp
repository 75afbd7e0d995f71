#include "core/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <limits>
#include <mutex>
#include <optional>

#include "core/progress.h"

namespace ingot {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();
std::mutex need_mutex;
std::string need;

/// The number that a small file of the kernel begins with; nothing for "max" and where there is no such file.
std::optional<uint64_t> read_number(const fs::path& file) {
  std::ifstream in(file);
  uint64_t number = 0;
  if (in >> number) return number;
  return {};
}

/// A line of /proc/meminfo, in bytes.
uint64_t meminfo(const std::string& key) {
  std::ifstream in("/proc/meminfo");
  for (std::string name, unit; in >> name;) {
    uint64_t kilobytes = 0;
    in >> kilobytes;
    std::getline(in, unit);
    if (name == key + ":") return kilobytes * 1024;
  }
  return kUnlimited;
}

/// What is left to a control group, version 2 or 1, and to those above it.
void narrow_to_group(fs::path group, const char* limit_name, const char* used_name, Memory& memory) {
  for (; group.string().starts_with("/sys/fs/cgroup"); group = group.parent_path()) {
    const auto limit = read_number(group / limit_name), used = read_number(group / used_name);
    if (!limit || !used) continue;
    memory.total = std::min(memory.total, *limit);
    memory.available = std::min(memory.available, *limit - std::min(*limit, *used));
  }
}

}  // namespace

Memory machine_memory() {
  Memory memory{meminfo("MemAvailable"), meminfo("MemTotal")};
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const std::string path = line.substr(std::min(line.size(), line.find_last_of(':') + 1));
    if (line.starts_with("0::")) narrow_to_group("/sys/fs/cgroup" + path, "memory.max", "memory.current", memory);
    if (line.find(":memory:") != line.npos)
      narrow_to_group("/sys/fs/cgroup/memory" + path, "memory.limit_in_bytes", "memory.usage_in_bytes", memory);
  }
  return memory;
}

void note_memory_need(std::string text) {
  const std::lock_guard lock(need_mutex);
  need = std::move(text);
}

std::string memory_text() {
  const Memory memory = machine_memory();
  const std::lock_guard lock(need_mutex);
  return fmt::format("{} of {} are available{}{}", format_count(static_cast<double>(memory.available), "B"),
                     format_count(static_cast<double>(memory.total), "B"), need.empty() ? "" : "; ", need);
}

}  // namespace ingot
