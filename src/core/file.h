#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ingot {

/// The whole file as bytes. Throws DataError when it is missing, unreadable, not a regular file or larger than `max_bytes`.
std::string read_file(const std::filesystem::path& file, size_t max_bytes = size_t{1} << 32);

/// Makes a folder and its parents. Throws ConfigError naming the folder and the system's reason.
void make_folder(const std::filesystem::path& folder);

/// True when the path stays in `folder`, also behind symbolic links, or leads to the blobs of the Hugging Face cache that
/// the folder is a snapshot of.
bool stays_inside(const std::filesystem::path& folder, const std::filesystem::path& relative);

/// `folder / name` when `name` is a plain relative path that stays inside `folder`. Throws DataError naming `source`, the
/// file that holds the name, otherwise.
std::filesystem::path path_inside(const std::filesystem::path& folder, const std::string& name,
                                  const std::filesystem::path& source);

/// A file mapped read-only. Pages are read when touched. Throws DataError when it cannot be opened.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }
  /// Tells the kernel that the range will not be read again soon, so that resident memory stays small.
  void release(size_t offset, size_t length) const;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// A file that appears under its name only when it is complete: written beside it as `.NAME.partial`,
/// fsynced, renamed. Destroyed before `commit()` it leaves nothing. Throws CommError naming the file when
/// the disk is full or fails, ConfigError when the file cannot be created.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& file);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(const void* data, size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Writes at `offset` from the start: over bytes written before, or beyond the end.
  void write_at(uint64_t offset, const void* data, size_t size);
  uint64_t size() const { return size_; }
  void commit();

 private:
  void flush();
  std::filesystem::path path_, partial_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
  std::string buffer_;
};

/// Replaces the file by `text` atomically and durably.
void write_file(const std::filesystem::path& file, std::string_view text);

/// Copies a regular file atomically. Throws like read_file and AtomicFile.
void copy_file(const std::filesystem::path& from, const std::filesystem::path& to);

/// Makes renames inside the folder durable.
void sync_folder(const std::filesystem::path& folder);

}  // namespace ingot
