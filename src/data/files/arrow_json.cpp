#include "data/files/arrow_json.h"

#include <arrow/extension_type.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/float16.h>
#include <arrow/util/ree_util.h>
#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>

#include "core/error.h"
#include "core/json.h"
#include "data/files/byte_window.h"
#include "data/files/json_text.h"

namespace ingot::data {
namespace {

/// As Python's json writes it: 5.0, -0.0, 1e+30.
void append_number(double value, std::string& out) {
  if (!std::isfinite(value)) return void(out += "null");
  const std::string text = fmt::format("{}", value);
  out += text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

/// Bytes that are no printable ASCII as \xFF.
std::string shown(std::string_view bytes) {
  std::string text;
  for (const unsigned char c : bytes) {
    const bool plain = c >= 32 && c < 127 && c != '\\' && c != '"' && c != '\'';
    text += plain ? std::string(1, static_cast<char>(c)) : fmt::format("\\x{:02X}", c);
  }
  return text;
}

void append_bytes(std::string_view bytes, Bytes as, std::string& out) {
  const bool is_text = as == Bytes::kText && simdjson::validate_utf8(bytes.data(), bytes.size());
  if (as == Bytes::kText && !is_text) out += "{\"bytes\":";
  append_json_string(is_text ? std::string(bytes) : shown(bytes), out);
  if (as == Bytes::kText && !is_text) out += '}';
}

/// The element as Arrow prints it.
std::string arrow_text(const arrow::Array& array, int64_t i) {
  const auto scalar = array.GetScalar(i);
  if (!scalar.ok()) throw DataError(scalar.status().message());
  return (*scalar)->ToString();
}

/// The same without zeros at the end of a fraction of a second, a final Z as +00.
std::string moment_text(const arrow::Array& array, int64_t i) {
  std::string text = arrow_text(array, i);
  const bool zoned = text.ends_with('Z');
  if (zoned) text.pop_back();
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
  }
  return zoned ? text + "+00" : text;
}

void append_list(const arrow::Array& values, int64_t begin, int64_t end, Bytes as, std::string& out) {
  out += '[';
  for (int64_t i = begin; i < end; ++i) {
    if (i > begin) out += ',';
    append_json(values, i, as, out);
  }
  out += ']';
}

template <class ListArray>
void append_list(const arrow::Array& array, int64_t i, Bytes as, std::string& out) {
  const auto& list = static_cast<const ListArray&>(array);
  append_list(*list.values(), list.value_offset(i), list.value_offset(i) + list.value_length(i), as, out);
}

void append_map(const arrow::MapArray& map, int64_t i, Bytes as, std::string& out) {
  out += '{';
  const int64_t begin = map.value_offset(i), end = begin + map.value_length(i);
  for (int64_t entry = begin; entry < end; ++entry) {
    std::string key;
    append_json(*map.keys(), entry, as, key);
    if (entry > begin) out += ',';
    if (key.starts_with('"')) out += key;
    else append_json_string(key, out);
    out += ':';
    append_json(*map.items(), entry, as, out);
  }
  out += '}';
}

void append_struct(const arrow::StructArray& array, int64_t i, Bytes as, std::string& out) {
  out += '{';
  for (int field = 0; field < array.num_fields(); ++field) {
    if (field > 0) out += ',';
    append_json_string(array.struct_type()->field(field)->name(), out);
    out += ':';
    append_json(*array.field(field), i, as, out);
  }
  out += '}';
}

void append_union(const arrow::UnionArray& array, int64_t i, Bytes as, std::string& out) {
  const int child = array.child_id(i);
  const bool dense = array.type_id() == arrow::Type::DENSE_UNION;
  const int64_t place = dense ? static_cast<const arrow::DenseUnionArray&>(array).value_offset(i) : i;
  append_json(*array.field(child), place, as, out);
}

/// What "arrow.json" says, on one line; a text that is not JSON after all stays a text.
void append_json_document(std::string text, std::string& out) {
  text.resize(text.size() + kPadding);
  const std::string_view json(text.data(), text.size() - kPadding);
  if (json_problem(json, /*scalars=*/true).empty()) {
    for (const char c : json) out += c == '\n' || c == '\r' ? ' ' : c;  // none in a string
  } else {
    append_json_string(json, out);
  }
}

/// The 16 bytes of a UUID as RFC 9562 writes them.
void append_uuid(std::string_view bytes, std::string& out) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i)
    text += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", static_cast<unsigned char>(bytes[i]));
  append_json_string(text, out);
}

void append_extension(const arrow::ExtensionArray& array, int64_t i, Bytes as, std::string& out) {
  const std::string name = array.extension_type()->extension_name();
  const auto& storage = *array.storage();
  std::string stored;
  append_json(storage, i, as, stored);
  if (name == "arrow.json" && stored.starts_with('"')) return append_json_document(Json::parse(stored).get<std::string>(), out);
  if (name == "arrow.uuid" && storage.type_id() == arrow::Type::FIXED_SIZE_BINARY)
    return append_uuid(static_cast<const arrow::FixedSizeBinaryArray&>(storage).GetView(i), out);
  out += stored;
}

template <class NumberArray>
void append_integer(const arrow::Array& array, int64_t i, std::string& out) {
  out += fmt::format("{}", static_cast<const NumberArray&>(array).Value(i));
}

/// Integers and floats; false when the array holds something else.
bool append_if_number(const arrow::Array& array, int64_t i, std::string& out) {
  switch (array.type_id()) {
    case arrow::Type::INT8: append_integer<arrow::Int8Array>(array, i, out); return true;
    case arrow::Type::INT16: append_integer<arrow::Int16Array>(array, i, out); return true;
    case arrow::Type::INT32: append_integer<arrow::Int32Array>(array, i, out); return true;
    case arrow::Type::INT64: append_integer<arrow::Int64Array>(array, i, out); return true;
    case arrow::Type::UINT8: append_integer<arrow::UInt8Array>(array, i, out); return true;
    case arrow::Type::UINT16: append_integer<arrow::UInt16Array>(array, i, out); return true;
    case arrow::Type::UINT32: append_integer<arrow::UInt32Array>(array, i, out); return true;
    case arrow::Type::UINT64: append_integer<arrow::UInt64Array>(array, i, out); return true;
    case arrow::Type::FLOAT: append_number(static_cast<const arrow::FloatArray&>(array).Value(i), out); return true;
    case arrow::Type::DOUBLE: append_number(static_cast<const arrow::DoubleArray&>(array).Value(i), out); return true;
    case arrow::Type::HALF_FLOAT: {
      const uint16_t bits = static_cast<const arrow::HalfFloatArray&>(array).Value(i);
      append_number(arrow::util::Float16::FromBits(bits).ToFloat(), out);
      return true;
    }
    default: return false;
  }
}

}  // namespace

void append_json_string(std::string_view text, std::string& out) {
  try {
    out += Json(text).dump();
  } catch (const Json::type_error&) {
    throw DataError("a string that is not UTF-8");
  }
}

void append_json(const arrow::Array& array, int64_t i, Bytes as, std::string& out) {
  using arrow::Type;
  if (array.IsNull(i)) {
    out += "null";
    return;
  }
  if (append_if_number(array, i, out)) return;
  switch (array.type_id()) {
    case Type::BOOL: out += static_cast<const arrow::BooleanArray&>(array).Value(i) ? "true" : "false"; break;
    case Type::STRING: append_json_string(static_cast<const arrow::StringArray&>(array).GetView(i), out); break;
    case Type::LARGE_STRING:
      append_json_string(static_cast<const arrow::LargeStringArray&>(array).GetView(i), out);
      break;
    case Type::STRING_VIEW:
      append_json_string(static_cast<const arrow::StringViewArray&>(array).GetView(i), out);
      break;
    case Type::BINARY: append_bytes(static_cast<const arrow::BinaryArray&>(array).GetView(i), as, out); break;
    case Type::LARGE_BINARY: append_bytes(static_cast<const arrow::LargeBinaryArray&>(array).GetView(i), as, out); break;
    case Type::BINARY_VIEW: append_bytes(static_cast<const arrow::BinaryViewArray&>(array).GetView(i), as, out); break;
    case Type::FIXED_SIZE_BINARY:
      append_bytes(static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(i), as, out);
      break;
    case Type::DECIMAL32:
    case Type::DECIMAL64:
    case Type::DECIMAL128:
    case Type::DECIMAL256: out += arrow_text(array, i); break;
    case Type::LIST: append_list<arrow::ListArray>(array, i, as, out); break;
    case Type::LARGE_LIST: append_list<arrow::LargeListArray>(array, i, as, out); break;
    case Type::FIXED_SIZE_LIST: append_list<arrow::FixedSizeListArray>(array, i, as, out); break;
    case Type::LIST_VIEW: append_list<arrow::ListViewArray>(array, i, as, out); break;
    case Type::LARGE_LIST_VIEW: append_list<arrow::LargeListViewArray>(array, i, as, out); break;
    case Type::SPARSE_UNION:
    case Type::DENSE_UNION: append_union(static_cast<const arrow::UnionArray&>(array), i, as, out); break;
    case Type::RUN_END_ENCODED: {
      const auto& runs = static_cast<const arrow::RunEndEncodedArray&>(array);
      append_json(*runs.values(), arrow::ree_util::FindPhysicalIndex(*runs.data(), i, runs.offset()), as, out);
      break;
    }
    case Type::MAP: append_map(static_cast<const arrow::MapArray&>(array), i, as, out); break;
    case Type::STRUCT: append_struct(static_cast<const arrow::StructArray&>(array), i, as, out); break;
    case Type::EXTENSION: append_extension(static_cast<const arrow::ExtensionArray&>(array), i, as, out); break;
    case Type::DICTIONARY: {
      const auto& coded = static_cast<const arrow::DictionaryArray&>(array);
      append_json(*coded.dictionary(), coded.GetValueIndex(i), as, out);
      break;
    }
    default: append_json_string(moment_text(array, i), out);
  }
}

}  // namespace ingot::data
