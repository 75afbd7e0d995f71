#include "core/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/failure.h"
#include "core/lease.h"
#include "core/mapped_ranges.h"

namespace ingot {
namespace fs = std::filesystem;
namespace {

constexpr size_t kWriteBuffer = size_t{1} << 20;

std::string reason() { return std::strerror(errno); }

/// Opens a regular file for reading and tells its size.
int open_regular(const fs::path& file, size_t& size) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    const int number = errno;
    const std::string message = fmt::format("{}: cannot be read: {}", file.string(), std::strerror(number));
    if (number == ENOENT) throw DataError(message);
    throw_refused(number, message);
  }
  struct stat info {};
  if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(descriptor);
    throw DataError(fmt::format("{}: not a regular file", file.string()));
  }
  size = static_cast<size_t>(info.st_size);
  return descriptor;
}

bool is_below(const fs::path& folder, const fs::path& canonical_target) {
  std::error_code error;
  const fs::path root = fs::weakly_canonical(folder, error);
  return std::mismatch(root.begin(), root.end(), canonical_target.begin(), canonical_target.end()).first == root.end();
}

void write_all(int descriptor, const char* data, size_t size, uint64_t offset, const fs::path& file) {
  while (size > 0) {
    const ssize_t written = ::pwrite(descriptor, data, size, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw CommError(fmt::format("{}: cannot be written: {}", file.string(), reason()));
    data += written;
    offset += static_cast<uint64_t>(written);
    size -= static_cast<size_t>(written);
  }
}

}  // namespace

std::string read_file(const fs::path& file, size_t max_bytes) {
  size_t size = 0;
  const int descriptor = open_regular(file, size);
  if (size > max_bytes) {
    ::close(descriptor);
    throw DataError(fmt::format("{}: {} bytes, at most {} wanted", file.string(), size, max_bytes));
  }
  std::string text(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(descriptor, text.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  ::close(descriptor);
  if (done != size) throw DataError(fmt::format("{}: only {} of {} bytes could be read", file.string(), done, size));
  return text;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw_refused(error.value(), fmt::format("{}: folder cannot be made: {}", folder.string(), error.message()));
  if (!fs::is_directory(folder)) throw ConfigError(fmt::format("{}: folder cannot be made: a file is in the way", folder.string()));
}

bool stays_inside(const fs::path& folder, const fs::path& relative) {
  std::error_code error;
  const fs::path target = fs::weakly_canonical(folder / relative, error);
  const fs::path blobs = folder / ".." / ".." / "blobs";  // a Hugging Face cache links snapshots/REV/FILE there
  return is_below(folder, target) || is_below(blobs, target);
}

fs::path path_inside(const fs::path& folder, const std::string& name, const fs::path& source) {
  const fs::path relative(name);
  const bool climbs = std::any_of(relative.begin(), relative.end(), [](const fs::path& part) { return part == ".."; });
  if (name.empty() || name.find('\0') != std::string::npos || relative.is_absolute() || climbs)
    throw DataError(fmt::format("{}: file name \"{}\" points outside its folder", source.string(), name));
  std::error_code error;
  if (!stays_inside(folder, relative))
    throw DataError(fmt::format("{}: file name \"{}\" points outside its folder, through a link to {}; wanted the file itself or a hard link to it "
                                "there, or the folder named that it lies in",
                                source.string(), name, fs::weakly_canonical(folder / relative, error).string()));
  return folder / relative;
}

MappedFile::MappedFile(const fs::path& file) : path_(file) {
  const int descriptor = open_regular(file, size_);
  if (size_ > 0) {
    void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    const std::string why = mapped == MAP_FAILED ? reason() : "";
    ::close(descriptor);
    if (mapped == MAP_FAILED) throw CommError(fmt::format("{}: {} bytes cannot be mapped: {}", file.string(), size_, why));
    data_ = static_cast<const std::byte*>(mapped);
    add_mapped_range(mapped, size_, path_.c_str());
  } else {
    ::close(descriptor);
  }
}

MappedFile::~MappedFile() {
  if (!data_) return;
  remove_mapped_range(data_);
  ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::release(size_t offset, size_t length) const {
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t begin = (offset + page - 1) / page * page, end = std::min(offset + length, size_) / page * page;
  if (data_ && begin < end) ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

AtomicFile::AtomicFile(const fs::path& file)
    : path_(file), partial_(file.parent_path() / ("." + file.filename().string() + ".partial")) {
  descriptor_ = ::open(partial_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor_ < 0) {
    const int number = errno;
    throw_refused(number, fmt::format("{}: cannot be created: {}", path_.string(), std::strerror(number)));
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(partial_.c_str());
}

void AtomicFile::flush() {
  write_all(descriptor_, buffer_.data(), buffer_.size(), size_ - buffer_.size(), path_);
  buffer_.clear();
}

void AtomicFile::write(const void* data, size_t size) {
  buffer_.append(static_cast<const char*>(data), size < kWriteBuffer ? size : 0);
  size_ += size < kWriteBuffer ? size : 0;
  if (size >= kWriteBuffer) {
    flush();
    write_all(descriptor_, static_cast<const char*>(data), size, size_, path_);
    size_ += size;
  } else if (buffer_.size() >= kWriteBuffer) {
    flush();
  }
}

void AtomicFile::write_at(uint64_t offset, const void* data, size_t size) {
  flush();
  write_all(descriptor_, static_cast<const char*>(data), size, offset, path_);
}

void AtomicFile::commit() {
  check_leases(path_);
  flush();
  if (::fsync(descriptor_) != 0) throw CommError(fmt::format("{}: cannot be synced: {}", path_.string(), reason()));
  ::close(descriptor_);
  descriptor_ = -1;
  if (::rename(partial_.c_str(), path_.c_str()) != 0) {
    const std::string why = reason();
    ::unlink(partial_.c_str());
    throw CommError(fmt::format("{}: cannot be put in place: {}", path_.string(), why));
  }
  sync_folder(path_.parent_path());
}

void write_file(const fs::path& file, std::string_view text) {
  AtomicFile out(file);
  out.write(text);
  out.commit();
}

void copy_file(const fs::path& from, const fs::path& to) {
  const MappedFile source(from);
  AtomicFile out(to);
  out.write(source.bytes().data(), source.bytes().size());
  out.commit();
}

void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;  // a folder that cannot be opened cannot be synced; the rename itself stands
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace ingot
