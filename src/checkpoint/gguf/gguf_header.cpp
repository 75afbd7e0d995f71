#include "checkpoint/gguf/gguf_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <set>

#include "checkpoint/byte_cursor.h"
#include "checkpoint/gguf/ggml_blocks.h"
#include "core/error.h"
#include "core/printable.h"

namespace ingot::checkpoint {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint64_t kMaxArray = uint64_t{1} << 24, kMaxAlignment = 1 << 16, kDefaultAlignment = 32;
constexpr uint32_t kMaxDims = 4;
constexpr uint64_t kLeastKeyBytes = 8 + 4 + 1, kLeastTensorBytes = 8 + 4 + 4 + 8;

/// Numbers of value types in the file.
enum ValueType : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };

bool take_bool(ByteCursor& cursor) {
  const auto byte = cursor.take<uint8_t>();
  if (byte > 1) cursor.fail(fmt::format("truth value {}, wanted 0 or 1", byte));
  return byte == 1;
}

template <class Element, class Read>
GgufValue take_elements(ByteCursor& cursor, uint64_t bytes_each, Read read) {
  const uint64_t count = cursor.take_count(bytes_each, "array elements");
  if (count > kMaxArray) cursor.fail(fmt::format("{} array elements, wanted at most {}", count, kMaxArray));
  std::vector<Element> elements;
  elements.reserve(count);
  for (uint64_t i = 0; i < count; ++i) elements.push_back(static_cast<Element>(read()));
  return elements;
}

template <class Element, class Stored>
GgufValue take_numbers(ByteCursor& cursor) {
  return take_elements<Element>(cursor, sizeof(Stored), [&] { return cursor.take<Stored>(); });
}

GgufValue take_array(ByteCursor& cursor) {
  switch (const auto type = cursor.take<uint32_t>()) {
    case kU8: return take_numbers<int64_t, uint8_t>(cursor);
    case kI8: return take_numbers<int64_t, int8_t>(cursor);
    case kU16: return take_numbers<int64_t, uint16_t>(cursor);
    case kI16: return take_numbers<int64_t, int16_t>(cursor);
    case kU32: return take_numbers<int64_t, uint32_t>(cursor);
    case kI32: return take_numbers<int64_t, int32_t>(cursor);
    case kU64: return take_numbers<int64_t, uint64_t>(cursor);
    case kI64: return take_numbers<int64_t, int64_t>(cursor);
    case kF32: return take_numbers<double, float>(cursor);
    case kF64: return take_numbers<double, double>(cursor);
    case kBool: return take_elements<int64_t>(cursor, 1, [&] { return take_bool(cursor); });
    case kString: return take_elements<std::string>(cursor, 8, [&] { return cursor.take_string(); });
    case kArray: cursor.fail("an array of arrays, wanted numbers or strings");
    default: cursor.fail(fmt::format("array of element type {}, wanted 0 to 12", type));
  }
}

GgufValue take_value(ByteCursor& cursor) {
  switch (const auto type = cursor.take<uint32_t>()) {
    case kU8: return uint64_t{cursor.take<uint8_t>()};
    case kU16: return uint64_t{cursor.take<uint16_t>()};
    case kU32: return uint64_t{cursor.take<uint32_t>()};
    case kU64: return cursor.take<uint64_t>();
    case kI8: return int64_t{cursor.take<int8_t>()};
    case kI16: return int64_t{cursor.take<int16_t>()};
    case kI32: return int64_t{cursor.take<int32_t>()};
    case kI64: return cursor.take<int64_t>();
    case kF32: return double{cursor.take<float>()};
    case kF64: return cursor.take<double>();
    case kBool: return take_bool(cursor);
    case kString: return cursor.take_string();
    case kArray: return take_array(cursor);
    default: cursor.fail(fmt::format("value type {}, wanted 0 to 12", type));
  }
}

Shape take_shape(ByteCursor& cursor) {
  const auto dims = cursor.take<uint32_t>();
  if (dims > kMaxDims) cursor.fail(fmt::format("{} dims, wanted at most {}", dims, kMaxDims));
  Shape shape;
  for (uint32_t i = 0; i < dims; ++i) {
    const auto dim = cursor.take<uint64_t>();
    if (dim == 0 || dim > INT64_MAX) cursor.fail(fmt::format("dim {}, wanted 1 to 2^63-1", dim));
    shape.push_back(static_cast<int64_t>(dim));
  }
  std::reverse(shape.begin(), shape.end());  // the file has the fastest dim first
  return shape;
}

GgufTensor take_tensor(ByteCursor& cursor) {
  GgufTensor tensor{cursor.take_string(), take_shape(cursor), cursor.take<uint32_t>(), 0, 0};
  const auto fail = [&](const std::string& problem) {
    cursor.fail(fmt::format("tensor {}: {}", in_quotes(tensor.name), problem));
  };
  const GgmlType* type = find_ggml_type(tensor.type);
  if (!type) fail(fmt::format("ggml type {}, wanted {}", tensor.type, known_ggml_types()));
  const auto count = num_elements(tensor.shape);
  const uint64_t row = tensor.shape.empty() ? 1 : static_cast<uint64_t>(tensor.shape.back());
  if (!count) fail(fmt::format("shape {} is too large", to_string(tensor.shape)));
  if (row % type->block != 0)
    fail(fmt::format("rows of {}, wanted a multiple of {} for {}", row, type->block, type->name));
  if (__builtin_mul_overflow(static_cast<uint64_t>(*count) / type->block, type->bytes, &tensor.size))
    fail(fmt::format("shape {} is too large", to_string(tensor.shape)));
  tensor.offset = cursor.take<uint64_t>();
  return tensor;
}

uint64_t alignment_of(const std::map<std::string, GgufValue>& values, const ByteCursor& cursor) {
  const auto found = values.find("general.alignment");
  if (found == values.end()) return kDefaultAlignment;
  const auto* alignment = std::get_if<uint64_t>(&found->second);
  if (!alignment || !std::has_single_bit(*alignment) || *alignment > kMaxAlignment)
    cursor.fail(fmt::format("general.alignment {}, wanted a power of two up to {}",
                            alignment ? std::to_string(*alignment) : "of another kind", kMaxAlignment));
  return *alignment;
}

/// Checks that the tensors lie in `data_size` bytes, aligned and apart.
void check_places(const std::vector<GgufTensor>& tensors, uint64_t data_size, uint64_t alignment,
                  const ByteCursor& cursor) {
  std::vector<const GgufTensor*> by_offset;
  std::set<std::string_view> names;
  for (const auto& tensor : tensors) {
    by_offset.push_back(&tensor);
    const std::string name = in_quotes(tensor.name);
    if (!names.insert(tensor.name).second) cursor.fail(fmt::format("tensor {} stands twice", name));
    if (tensor.offset % alignment != 0)
      cursor.fail(fmt::format("tensor {}: offset {}, wanted a multiple of {}", name, tensor.offset, alignment));
    if (tensor.offset > data_size || tensor.size > data_size - tensor.offset)
      cursor.fail(fmt::format("tensor {}: {} bytes at offset {}, but the data has {} bytes", name, tensor.size,
                              tensor.offset, data_size));
  }
  std::sort(by_offset.begin(), by_offset.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < by_offset.size(); ++i)
    if (by_offset[i - 1]->offset + by_offset[i - 1]->size > by_offset[i]->offset)
      cursor.fail(fmt::format("tensor {} overlaps tensor {}", in_quotes(by_offset[i]->name),
                              in_quotes(by_offset[i - 1]->name)));
}

}  // namespace

GgufHeader parse_gguf_header(std::span<const std::byte> bytes, const std::string& file) {
  ByteCursor cursor(bytes, file);
  if (bytes.size() < 4 || cursor.take<uint32_t>() != kMagic) throw DataError(fmt::format("{}: not a GGUF file", file));
  if (const auto version = cursor.take<uint32_t>(); version != 2 && version != 3)
    cursor.fail(fmt::format("GGUF version {}, wanted 2 or 3", version));
  const auto num_tensors = cursor.take_count(kLeastTensorBytes, "tensors");
  const auto num_keys = cursor.take_count(kLeastKeyBytes, "keys");
  GgufHeader header;
  for (uint64_t i = 0; i < num_keys; ++i) {
    const std::string key = cursor.take_string();
    if (!header.values.emplace(key, take_value(cursor)).second)
      cursor.fail(fmt::format("key {} stands twice", in_quotes(key)));
  }
  for (uint64_t i = 0; i < num_tensors; ++i) header.tensors.push_back(take_tensor(cursor));
  const uint64_t alignment = alignment_of(header.values, cursor);
  header.data_start = (cursor.position() + alignment - 1) / alignment * alignment;
  const uint64_t data_size = bytes.size() - std::min<uint64_t>(header.data_start, bytes.size());
  check_places(header.tensors, data_size, alignment, cursor);
  return header;
}

}  // namespace ingot::checkpoint
