#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "core/dtype.h"
#include "core/shape.h"

namespace ingot::checkpoint {

/// A flat array of elements that tensors view, as the pickle names it.
struct TorchStorage {
  DType dtype;
  std::string_view key;  // names its bytes in the container
  int64_t numel = 0;     // elements, not negative
};

/// A view of a storage, checked: every element lies inside it.
struct TorchTensor {
  TorchStorage storage;
  int64_t offset = 0;    // elements
  Shape shape, strides;  // of one length; strides in elements, not negative
};

/// The functions that a file of tensors may name; nothing is ever looked up by name elsewhere.
enum class PickleFunction { kOrderedDict, kRebuildTensor, kRebuildParameter };

struct PickleNone {};
struct PickleLong {
  std::string_view bytes;
};  // an integer of more than 8 bytes, little-endian
struct PickleStorageClass {
  DType dtype;
};  // torch.FloatStorage ...
struct PickleContainer {
  size_t index;
};  // into PickleDocument::containers
struct PickleTensor {
  size_t index;
};  // into PickleDocument::tensors

/// A value of a pickle. Text stays where it lies in the file, so that a value said many times costs no memory.
using PickleValue = std::variant<PickleNone, bool, int64_t, double, std::string_view, PickleLong, PickleFunction,
                                 PickleStorageClass, TorchStorage, PickleContainer, PickleTensor>;

/// A tuple, a list or a dict.
struct PickleItems {
  enum class Kind { kTuple, kList, kDict } kind;
  std::vector<PickleValue> items;  // of a dict: key, value, key, value ...
  int depth = 1;                   // levels of containers from here down when it was last changed
};

using PickleContainers = std::vector<PickleItems>;

/// The items of a container of that kind, null for any other value.
const std::vector<PickleValue>* items_of(const PickleContainers& containers, const PickleValue& value,
                                         PickleItems::Kind kind);

/// One pickle, read. Containers refer to each other by number: nothing in it is ever walked or freed recursively.
struct PickleDocument {
  PickleValue root;
  PickleContainers containers;
  std::vector<TorchTensor> tensors;
  size_t size = 0;  // bytes of the pickle
};

}  // namespace ingot::checkpoint
