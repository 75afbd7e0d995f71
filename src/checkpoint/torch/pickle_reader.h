#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "checkpoint/torch/pickle_document.h"

namespace ingot::checkpoint {

/// Reads the pickle at the start of `bytes`, which must outlive the result. It knows the opcodes that torch.save writes
/// for tensors (protocols 2 to 5) and the functions of PickleFunction; any other opcode or name ends the load. Memory
/// is bounded whatever the bytes say. Throws DataError naming `file`, the byte and what was found.
PickleDocument read_pickle(std::span<const std::byte> bytes, const std::string& file);

}  // namespace ingot::checkpoint
