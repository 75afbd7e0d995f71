#include "checkpoint/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <unordered_set>

#include "core/error.h"
#include "core/json.h"
#include "core/printable.h"

namespace ingot::checkpoint {
namespace {

constexpr size_t kMaxDims = 64;
constexpr const char* kDtypes = "BOOL, U8, I8, I16, U16, F16, BF16, I32, U32, F32, I64, U64 or F64";
constexpr const char* kMetadata = "__metadata__";

/// Takes the parser's events, so that a hostile header costs no more memory than its text. Depth 1 is the document,
/// 2 a tensor's object or the metadata, 3 the array of a field. Unknown flat fields of a tensor are passed over.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(const std::string& file) : file_(file) {}

  SafetensorsHeader header;

  bool null() override { return scalar("null"); }
  bool boolean(bool) override { return scalar("a truth value"); }
  bool number_integer(number_integer_t) override { return scalar("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return scalar("a number that is no 64-bit integer"); }
  bool binary(binary_t&) override { return scalar("binary"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (depth_ != 3 || field_ == Field::kOther) return scalar("a number");
    if (field_ == Field::kShape) return add_dim(value);
    offsets_.push_back(value);
    if (offsets_.size() > 2) fail("data_offsets has more than 2 numbers");
    return true;
  }

  bool string(string_t& text) override {
    if (depth_ == 2 && in_metadata_) {
      if (!header.metadata.emplace(key_, text).second) fail(fmt::format("key {} twice", in_quotes(key_)));
      return true;
    }
    if (depth_ != 2 || field_ != Field::kDtype) return scalar("a string");
    const auto dtype = dtype_from_safetensors(text);
    if (!dtype) fail(fmt::format("dtype {}, wanted {}", in_quotes(text), kDtypes));
    entry_.dtype = *dtype;
    return true;
  }

  bool start_object(std::size_t) override {
    if (depth_ > 1) fail("an object inside, wanted dtype, shape and data_offsets only");
    if (++depth_ == 2) begin_entry();
    return true;
  }

  bool key(string_t& text) override {
    key_ = text;
    if (depth_ == 1) {
      entry_.name = text;
      in_metadata_ = text == kMetadata;
      if (!names_.insert(text).second) fail("stands twice in the header");
    } else if (!in_metadata_) {
      begin_field(text);
    }
    return true;
  }

  bool end_object() override {
    if (--depth_ == 1 && !in_metadata_) finish_entry();
    return true;
  }

  bool start_array(std::size_t) override {
    if (depth_ > 2) fail("an array inside an array");
    if (depth_ < 2 || in_metadata_ || field_ == Field::kDtype) return scalar("an array");
    ++depth_;
    return true;
  }

  bool end_array() override { return --depth_, true; }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) override {
    const std::string reason = printable(error.what());
    throw DataError(fmt::format("{}: header is not valid JSON at byte {}: {}", file_, position, reason));
  }

 private:
  enum class Field { kDtype, kShape, kOffsets, kOther };

  [[noreturn]] void fail(const std::string& problem) const {
    throw DataError(fmt::format("{}: tensor {}: {}", file_, in_quotes(entry_.name), problem));
  }

  /// A value where the format wants another; passed over in unknown fields.
  bool scalar(const char* found) const {
    if (depth_ == 0) throw DataError(fmt::format("{}: header is {}, wanted an object", file_, found));
    if (depth_ > 1 && !in_metadata_ && field_ == Field::kOther) return true;
    fail(fmt::format("{} is {}", depth_ > 1 ? "field " + in_quotes(key_) : "the entry", found));
  }

  bool add_dim(uint64_t dim) {
    if (dim > INT64_MAX) fail(fmt::format("dim {} passes 2^63-1", dim));
    entry_.shape.push_back(static_cast<int64_t>(dim));
    if (entry_.shape.size() > kMaxDims) fail(fmt::format("more than {} dims", kMaxDims));
    return true;
  }

  void begin_entry() {
    entry_.shape.clear();
    offsets_.clear();
    seen_.fill(false);
  }

  void begin_field(const std::string& text) {
    field_ = text == "dtype"          ? Field::kDtype
             : text == "shape"        ? Field::kShape
             : text == "data_offsets" ? Field::kOffsets
                                      : Field::kOther;
    bool& seen = seen_[static_cast<size_t>(field_)];
    if (seen && field_ != Field::kOther) fail(fmt::format("field {} twice", in_quotes(text)));
    seen = true;
  }

  void finish_entry() {
    if (!seen_[0] || !seen_[1] || !seen_[2] || offsets_.size() != 2)
      fail("wanted the fields dtype, shape and data_offsets with two numbers");
    entry_.begin = offsets_[0];
    entry_.end = offsets_[1];
    header.tensors.push_back(entry_);
  }

  const std::string& file_;
  int depth_ = 0;
  bool in_metadata_ = false;
  std::string key_;
  Field field_ = Field::kOther;
  std::array<bool, 4> seen_{};
  TensorEntry entry_;
  std::vector<uint64_t> offsets_;
  std::unordered_set<std::string> names_;
};

/// Bytes of a tensor, or nothing when they pass 2^63-1.
std::optional<uint64_t> num_bytes(const TensorEntry& tensor) {
  const auto count = num_elements(tensor.shape);
  int64_t bytes = 0;
  if (!count || __builtin_mul_overflow(*count, size_of(tensor.dtype), &bytes)) return std::nullopt;
  return static_cast<uint64_t>(bytes);
}

void check_layout(const std::vector<TensorEntry>& tensors, uint64_t data_size, const std::string& file) {
  uint64_t expected = 0;
  for (const auto& tensor : tensors) {
    const auto fail = [&](const std::string& problem) {
      throw DataError(fmt::format("{}: tensor {}: {}", file, in_quotes(tensor.name), problem));
    };
    if (tensor.begin != expected || tensor.end < tensor.begin)
      fail(fmt::format("data_offsets [{}, {}], wanted to begin at {}", tensor.begin, tensor.end, expected));
    const auto bytes = num_bytes(tensor);
    if (!bytes) fail(fmt::format("shape {} is too large", to_string(tensor.shape)));
    if (*bytes != tensor.end - tensor.begin)
      fail(fmt::format("{} bytes, wanted {} for {} {}", tensor.end - tensor.begin, *bytes,
                       safetensors_name(tensor.dtype), to_string(tensor.shape)));
    expected = tensor.end;
  }
  if (expected != data_size)
    throw DataError(fmt::format("{}: {} bytes of data, wanted {} as the header says", file, data_size, expected));
}

/// Place of a dtype in the reference writer's order, which is its enumeration backwards.
size_t write_rank(DType dtype) {
  using enum DType;
  constexpr std::array kOrder{kU64, kI64, kF64, kF32, kU32, kI32, kBF16, kF16, kU16, kI16, kI8, kU8, kBool};
  return static_cast<size_t>(std::find(kOrder.begin(), kOrder.end(), dtype) - kOrder.begin());
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_size, const std::string& file) {
  if (json.empty() || json.front() != '{') throw DataError(fmt::format("{}: header does not begin with {{", file));
  HeaderReader reader(file);
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  auto& tensors = reader.header.tensors;
  std::sort(tensors.begin(), tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  check_layout(tensors, data_size, file);
  return std::move(reader.header);
}

std::vector<TensorEntry> lay_out_tensors(std::vector<TensorEntry> tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::pair(write_rank(a.dtype), std::string_view(a.name)) <
           std::pair(write_rank(b.dtype), std::string_view(b.name));
  });
  uint64_t offset = 0;
  for (auto& tensor : tensors) {
    const auto bytes = num_bytes(tensor);
    if (!bytes) throw std::logic_error("tensor " + tensor.name + " has no valid size");
    tensor.begin = offset;
    tensor.end = offset += *bytes;
  }
  return tensors;
}

std::string build_safetensors_header(const std::vector<TensorEntry>& tensors,
                                     const std::map<std::string, std::string>& metadata) {
  std::string json = "{";
  if (!metadata.empty()) json += fmt::format("\"{}\":{},", kMetadata, Json(metadata).dump());
  for (const auto& tensor : tensors)
    json += fmt::format(R"({}:{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}},)", Json(tensor.name).dump(),
                        safetensors_name(tensor.dtype), Json(tensor.shape).dump(), tensor.begin, tensor.end);
  if (json.size() > 1) json.pop_back();
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  uint64_t length = json.size();
  std::string start(8, '\0');
  for (char& byte : start) byte = static_cast<char>(length & 0xff), length >>= 8;
  return start + json;
}

}  // namespace ingot::checkpoint
