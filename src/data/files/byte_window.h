#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/files/byte_source.h"

namespace ingot::data {

/// The longest record that is taken from a text format: a line, a JSON object, a CSV row, a text file.
inline constexpr size_t kMaxRecordBytes = size_t{256} << 20;

/// The problem of a record that is longer.
inline constexpr const char* kTooLong = "longer than 256 MiB";

/// Bytes that may be read behind every view of a window, as simdjson needs.
inline constexpr size_t kPadding = 64;

/// A sliding view over a byte source that holds at least one record.
class ByteWindow {
 public:
  enum class From { kStart, kInside };
  /// At the start of a file UTF-16 and UTF-32 are read as UTF-8, and a byte order mark is dropped; inside it is UTF-8. `file` stands for
  /// the source in messages.
  ByteWindow(std::unique_ptr<ByteSource> source, std::string file, From from = From::kStart);
  /// The bytes held.
  std::string_view view() const { return {buffer_.data() + begin_, end_ - begin_}; }
  /// Adds bytes behind those held, which may move them; false at the end of the source, and when the window is full.
  bool grow();
  /// True when more than kMaxRecordBytes are held: the record that they belong to is too long to be read.
  bool full() const { return end_ - begin_ > kMaxRecordBytes; }
  /// Forgets the first `count` bytes held.
  void drop(size_t count) { begin_ += count; }
  uint64_t bytes_read() const { return source_->bytes_read(); }
  const std::string& file() const { return file_; }

 private:
  std::unique_ptr<ByteSource> source_;
  std::string file_;
  std::vector<char> buffer_;
  size_t begin_ = 0, end_ = 0;
};

}  // namespace ingot::data
