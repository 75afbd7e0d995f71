#pragma once

#include <optional>
#include <string_view>

#include "checkpoint/byte_cursor.h"
#include "checkpoint/torch/pickle_document.h"

namespace ingot::checkpoint {

/// What `module.name` stands for, nothing when it is not one of the names that a file of tensors may hold:
/// collections.OrderedDict, torch._utils._rebuild_tensor_v2 and _rebuild_parameter, torch.{Float,Double,Half,BFloat16,
/// Long,Int,Short,Char,Byte,Bool}Storage.
std::optional<PickleValue> find_pickle_global(std::string_view module, std::string_view name);

/// The storage of a persistent id ('storage', class, key, location, numel[, None]). Throws DataError at the cursor.
TorchStorage make_storage(const std::vector<PickleValue>& id, const ByteCursor& cursor);

/// The tensor of _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks), checked against its storage.
/// Throws DataError at the cursor.
TorchTensor make_tensor(const std::vector<PickleValue>& arguments, const PickleContainers& containers,
                        const ByteCursor& cursor);

}  // namespace ingot::checkpoint
