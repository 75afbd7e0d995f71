#pragma once

#include <map>
#include <span>
#include <string>

#include "checkpoint/torch/pickle_document.h"
#include "checkpoint/torch/zip_records.h"

namespace ingot::checkpoint {

/// What torch.save wrote: an object, and where the bytes of its storages lie in the file.
struct TorchContents {
  PickleDocument object;
  std::map<std::string, ByteRange, std::less<>> storages;  // by TorchStorage::key
};

/// The contents of a file of torch.save: a zip (torch 1.6 and later) or the legacy row of pickles. The object's texts
/// lie in `bytes`. TorchScript, tar, HTML and other files are named and refused. Throws DataError naming `file`.
TorchContents read_torch_contents(std::span<const std::byte> bytes, const std::string& file);

}  // namespace ingot::checkpoint
