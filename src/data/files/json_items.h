#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "data/files/byte_window.h"

namespace ingot::data {

/// The raw JSON values of a file one after another, not yet parsed.
class JsonItems {
 public:
  explicit JsonItems(ByteWindow window) : window_(std::move(window)) {}
  virtual ~JsonItems() = default;
  /// The next value, valid until the next call and followed by kPadding readable bytes; nothing at the end. A value that
  /// is longer than kMaxRecordBytes is passed over: it comes as an empty one. Throws DataError when the file ends inside
  /// a value.
  virtual std::optional<std::string_view> next() = 0;
  /// True when the value that next() gave last was passed over.
  bool too_long() const { return too_long_; }
  /// 1-based line or element of the value that next() gave last.
  uint64_t row() const { return row_; }
  uint64_t bytes_read() const { return window_.bytes_read(); }
  const std::string& file() const { return window_.file(); }

 protected:
  ByteWindow window_;
  uint64_t row_ = 0;
  size_t consumed_ = 0;  // bytes of the window that the last value took
  bool too_long_ = false;
};

/// One value a line; a line ends in LF, CR LF or CR. Blank lines hold no value but are counted.
std::unique_ptr<JsonItems> json_lines(ByteWindow window);

/// The elements of the array that is the whole file; or, when the file starts with an object, one object a line.
/// Throws DataError when it is neither.
std::unique_ptr<JsonItems> json_elements(ByteWindow window);

}  // namespace ingot::data
