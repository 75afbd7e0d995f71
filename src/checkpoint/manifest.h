#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/json.h"
#include "core/slice.h"

namespace ingot::checkpoint {

/// A part of a tensor and where it lies.
struct PieceRecord {
  Slice slice;
  std::string file;    // which holds it under piece_name
  std::string digest;  // ContentDigest of its bytes; empty in version 1, where the file's covers them
};

/// A tensor of a state store. Its pieces cover it without overlap.
struct TensorRecord {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  std::vector<PieceRecord> pieces;
};

/// What a file of a state store must be.
struct FileRecord {
  uint64_t size = 0;
  std::string header_digest;  // ContentDigest of what comes before the data; empty in version 1
  std::string sha256;         // of the whole file, in version 1; else empty
};

/// What manifest.json of a checkpoint holds.
struct Manifest {
  int64_t step = 0;
  Json state;
  std::vector<TensorRecord> tensors;  // in the order of the run state
  std::map<std::string, FileRecord> files;
};

std::set<std::string> names_of_files(const Manifest& manifest);

/// The name of a piece in its file: the tensor's, and the slice behind it where that is not all of the tensor.
std::string piece_name(const std::string& tensor, const Shape& shape, const Slice& slice);

/// The manifest as JSON text of version 2; its last field is the sha256 of the rest, so that no byte of a checkpoint goes
/// unchecked.
std::string format_manifest(const Manifest& manifest);

/// Reads version 1 and 2. Throws DataError naming the file and the field when it is no manifest of these, its own sha256 is
/// wrong, or the pieces of a tensor overlap, leave a gap or reach beyond it.
Manifest read_manifest(const std::filesystem::path& file);

/// The same of the text of what one of several writers has written: its pieces need not cover a tensor. `name` stands in the errors.
Manifest read_manifest_part(const std::string& text, const std::string& name);

/// What a manifest of either version tells of its folder though it may be damaged.
struct ManifestOutline {
  bool is_foreign = false;                     // an object of JSON that does not say that it is a checkpoint's
  std::optional<std::set<std::string>> files;  // that it names; nothing where that cannot be read
};

/// Checks neither digest nor fields; of a file that is gone or no JSON nothing is known.
ManifestOutline outline_of_manifest(const std::filesystem::path& file);

}  // namespace ingot::checkpoint
