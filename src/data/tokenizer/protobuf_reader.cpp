#include "data/tokenizer/protobuf_reader.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>

#include "core/error.h"

namespace ingot::data {

void ProtobufReader::refuse(const std::string& message) const {
  throw DataError(fmt::format("{}: damaged protobuf: {}", source_, message));
}

uint64_t ProtobufReader::take_varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (left_.empty()) refuse("it ends inside a number");
    const auto byte = static_cast<unsigned char>(left_.front());
    left_.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  refuse("a number of more than ten bytes");
}

std::string_view ProtobufReader::take(uint64_t size) {
  if (size > left_.size()) refuse(fmt::format("field {} has {} bytes, {} are left", field_, size, left_.size()));
  const std::string_view taken = left_.substr(0, size);
  left_.remove_prefix(size);
  return taken;
}

bool ProtobufReader::next() {
  if (left_.empty()) return false;
  const uint64_t key = take_varint();
  if (key >> 3 == 0 || key > std::numeric_limits<uint32_t>::max()) refuse(fmt::format("found field key {}", key));
  field_ = static_cast<uint32_t>(key >> 3);
  type_ = static_cast<uint32_t>(key & 7);
  switch (type_) {
    case kVarint: varint_ = take_varint(); break;
    case kFixed64: bytes_ = take(8); break;
    case kBytes: bytes_ = take(take_varint()); break;
    case kFixed32: bytes_ = take(4); break;
    default: refuse(fmt::format("field {} has wire type {}", field_, type_));
  }
  return true;
}

void ProtobufReader::expect(WireType wanted) const {
  if (type_ != wanted) refuse(fmt::format("field {}: found wire type {}, wanted {}", field_, type_, uint32_t{wanted}));
}

uint64_t ProtobufReader::varint() const {
  expect(kVarint);
  return varint_;
}

float ProtobufReader::float32() const {
  expect(kFixed32);
  float value;
  std::memcpy(&value, bytes_.data(), sizeof value);
  return value;
}

std::string_view ProtobufReader::bytes() const {
  expect(kBytes);
  return bytes_;
}

}  // namespace ingot::data
