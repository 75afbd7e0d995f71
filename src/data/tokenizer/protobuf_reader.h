#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ingot::data {

/// Walks over the fields of one protobuf message in wire format. Every length is checked against the bytes that are
/// there. Throws DataError naming `source`. Source: protobuf.dev/programming-guides/encoding.
class ProtobufReader {
 public:
  ProtobufReader(std::string_view message, const std::string& source) : left_(message), source_(source) {}

  /// Moves to the next field; false at the end.
  bool next();

  /// Number of the field.
  uint32_t field() const { return field_; }

  /// The value, which has to be of that kind on the wire.
  uint64_t varint() const;
  float float32() const;
  std::string_view bytes() const;
  ProtobufReader message() const { return {bytes(), source_}; }

 private:
  enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
  uint64_t take_varint();
  std::string_view take(uint64_t size);
  void expect(WireType wanted) const;
  [[noreturn]] void refuse(const std::string& message) const;
  std::string_view left_;
  const std::string& source_;
  uint32_t field_ = 0, type_ = 0;
  uint64_t varint_ = 0;
  std::string_view bytes_;  // of a value that is no varint
};

}  // namespace ingot::data
