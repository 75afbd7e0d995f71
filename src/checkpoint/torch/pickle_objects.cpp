#include "checkpoint/torch/pickle_objects.h"

#include <fmt/format.h>

#include <array>

#include "core/printable.h"

namespace ingot::checkpoint {
namespace {

constexpr size_t kMaxDims = 64;

struct NamedGlobal {
  std::string_view module, name;
  PickleValue value;
};

const std::array<NamedGlobal, 13> kGlobals{{
    {"collections", "OrderedDict", PickleFunction::kOrderedDict},
    {"torch._utils", "_rebuild_tensor_v2", PickleFunction::kRebuildTensor},
    {"torch._utils", "_rebuild_parameter", PickleFunction::kRebuildParameter},
    {"torch", "FloatStorage", PickleStorageClass{DType::kF32}},
    {"torch", "DoubleStorage", PickleStorageClass{DType::kF64}},
    {"torch", "HalfStorage", PickleStorageClass{DType::kF16}},
    {"torch", "BFloat16Storage", PickleStorageClass{DType::kBF16}},
    {"torch", "LongStorage", PickleStorageClass{DType::kI64}},
    {"torch", "IntStorage", PickleStorageClass{DType::kI32}},
    {"torch", "ShortStorage", PickleStorageClass{DType::kI16}},
    {"torch", "CharStorage", PickleStorageClass{DType::kI8}},
    {"torch", "ByteStorage", PickleStorageClass{DType::kU8}},
    {"torch", "BoolStorage", PickleStorageClass{DType::kBool}},
}};

int64_t take_size(const PickleValue& value, const char* what, const ByteCursor& cursor) {
  const auto* number = std::get_if<int64_t>(&value);
  if (!number) cursor.fail(fmt::format("{} is no integer of 64 bits", what));
  if (*number < 0) cursor.fail(fmt::format("{} is {}, wanted 0 or more", what, *number));
  return *number;
}

Shape take_sizes(const PickleValue& value, const char* what, const PickleContainers& containers,
                 const ByteCursor& cursor) {
  const auto* items = items_of(containers, value, PickleItems::Kind::kTuple);
  if (!items) cursor.fail(fmt::format("{} is no tuple", what));
  if (items->size() > kMaxDims)
    cursor.fail(fmt::format("{} has {} dims, wanted at most {}", what, items->size(), kMaxDims));
  Shape sizes;
  for (const auto& item : *items) sizes.push_back(take_size(item, what, cursor));
  return sizes;
}

/// One past the last element that the view reaches, nothing when that passes 2^63-1.
std::optional<int64_t> end_of(const TorchTensor& tensor, bool is_empty) {
  int64_t end = tensor.offset, step = 0;
  for (size_t i = 0; i < tensor.shape.size() && !is_empty; ++i)
    if (__builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &step) ||
        __builtin_add_overflow(end, step, &end))
      return std::nullopt;
  if (!is_empty && __builtin_add_overflow(end, 1, &end)) return std::nullopt;
  return end;
}

}  // namespace

std::optional<PickleValue> find_pickle_global(std::string_view module, std::string_view name) {
  for (const auto& known : kGlobals)
    if (known.module == module && known.name == name) return known.value;
  return std::nullopt;
}

TorchStorage make_storage(const std::vector<PickleValue>& id, const ByteCursor& cursor) {
  if (id.size() != 5 && id.size() != 6)
    cursor.fail(fmt::format("a persistent id of {} items, wanted 5 or 6", id.size()));
  const auto* tag = std::get_if<std::string_view>(&id[0]);
  if (!tag || *tag != "storage") cursor.fail("a persistent id that is no storage");
  const auto* type = std::get_if<PickleStorageClass>(&id[1]);
  const auto* key = std::get_if<std::string_view>(&id[2]);
  if (!type || !key) cursor.fail("a storage without class or key");
  if (id.size() == 6 && !std::holds_alternative<PickleNone>(id[5]))
    cursor.fail(fmt::format("storage {} is a view of another, as torch before 0.4 wrote it", in_quotes(*key)));
  return {type->dtype, *key, take_size(id[4], "the number of elements of a storage", cursor)};
}

TorchTensor make_tensor(const std::vector<PickleValue>& arguments, const PickleContainers& containers,
                        const ByteCursor& cursor) {
  if (arguments.size() != 6) cursor.fail(fmt::format("a tensor of {} arguments, wanted 6", arguments.size()));
  const auto* storage = std::get_if<TorchStorage>(&arguments[0]);
  if (!storage) cursor.fail("a tensor without storage");
  TorchTensor tensor{*storage, take_size(arguments[1], "a tensor's offset", cursor),
                     take_sizes(arguments[2], "a tensor's shape", containers, cursor),
                     take_sizes(arguments[3], "a tensor's strides", containers, cursor)};
  if (tensor.shape.size() != tensor.strides.size())
    cursor.fail(fmt::format("a tensor of {} dims with {} strides", tensor.shape.size(), tensor.strides.size()));
  auto count = num_elements(tensor.shape);
  if (int64_t bytes = 0; count && __builtin_mul_overflow(*count, size_of(storage->dtype), &bytes)) count.reset();
  const auto end = count ? end_of(tensor, *count == 0) : std::nullopt;
  if (!end || *end > storage->numel)
    cursor.fail(fmt::format("a tensor of shape {}, strides {} and offset {} does not lie in its storage of {} elements",
                            to_string(tensor.shape), to_string(tensor.strides), tensor.offset, storage->numel));
  return tensor;
}

}  // namespace ingot::checkpoint
