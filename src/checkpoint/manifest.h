#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/json.h"
#include "core/shape.h"

namespace ingot::checkpoint {

/// Where a tensor of a checkpoint lies.
struct TensorPlace {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  std::string file;
};

/// What a file of a checkpoint must be.
struct FileDigest {
  std::string sha256;
  uint64_t size = 0;
};

/// What manifest.json of a checkpoint holds.
struct Manifest {
  int64_t step = 0;
  Json state;
  std::vector<TensorPlace> tensors;  // in the order of the run state
  std::map<std::string, FileDigest> files;
};

/// The manifest as JSON text; its last field is the sha256 of the rest, so that no byte of a checkpoint goes unchecked.
std::string format_manifest(const Manifest& manifest);

/// Throws DataError naming the file when it is not a manifest of this version or its own sha256 is wrong.
Manifest read_manifest(const std::filesystem::path& file);

}  // namespace ingot::checkpoint
