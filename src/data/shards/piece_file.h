#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/content_digest.h"
#include "core/file.h"
#include "data/tokenizer/tokenizer.h"

namespace ingot::data {

template <class Value>
concept Plain = std::is_arithmetic_v<Value>;

/// Writes a piece: values one after another behind a heading, and at the end the XXH3 of all of it. It appears under its name when it is
/// complete, but is not made durable: one that a fallen machine has damaged is told by its digest and made again.
class PieceWriter {
 public:
  /// Throws CommError or ConfigError naming the file as AtomicFile does.
  PieceWriter(const std::filesystem::path& piece, std::string_view heading);
  ~PieceWriter();  // removes what was not committed
  PieceWriter(const PieceWriter&) = delete;
  PieceWriter& operator=(const PieceWriter&) = delete;

  template <Plain Value>
  void add(Value value) {
    append(&value, sizeof(value));
  }
  void add(std::string_view text);
  template <Plain Value>
  void add(const std::vector<Value>& values) {
    add(values.size());
    append(values.data(), values.size() * sizeof(Value));
  }
  void add(const std::map<std::string, uint64_t>& counts);
  /// Numbers in 2 bytes each when all of them fit.
  void add_ids(const std::vector<TokenId>& ids);
  void commit();

 private:
  void append(const void* data, size_t size);
  void flush();
  void write(std::string_view bytes);
  std::filesystem::path path_, partial_;
  int descriptor_ = -1;
  std::string buffer_;
  std::vector<uint16_t> narrow_;
  ContentDigest digest_;
};

/// Reads what a PieceWriter wrote, in the same order. The constructor checks the digest. Throws DataError naming a file that is
/// not whole, or not the one that the heading wants.
class PieceReader {
 public:
  PieceReader(const std::filesystem::path& piece, std::string_view heading);
  bool at_end() const { return at_ == end_; }

  template <Plain Value>
  Value get() {
    Value value;
    take(&value, 1, sizeof(value));
    return value;
  }
  std::string get_text();
  template <Plain Value>
  std::vector<Value> get_all() {
    std::vector<Value> values(checked(get<uint64_t>(), sizeof(Value)));
    take(values.data(), values.size(), sizeof(Value));
    return values;
  }
  std::map<std::string, uint64_t> get_counts();
  std::vector<TokenId> get_ids();

 private:
  uint64_t checked(uint64_t count, size_t width) const;
  void take(void* to, uint64_t count, size_t width);
  [[noreturn]] void refuse(const std::string& why) const;
  MappedFile file_;
  uint64_t at_ = 0, end_ = 0, released_ = 0;
};

}  // namespace ingot::data
