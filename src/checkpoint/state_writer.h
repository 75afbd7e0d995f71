#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "core/json.h"
#include "core/slice.h"

namespace ingot::checkpoint {

/// A slice of a named tensor on its way into a state store.
struct StatePiece {
  std::string tensor;
  DType dtype;
  Shape shape;  // of the whole tensor
  Slice slice;  // the part that the piece holds; whole_of(shape) for all of it
};

/// One of those who write a state together; each has its number in the names of its files.
struct WriterPlace {
  int64_t index = 0, count = 1;
};

/// Writes a state into an empty folder: safetensors files of the pieces, and manifest.json, which says of every tensor its
/// dtype and whole shape, and of every piece its slice, file and digest. state_reader.h reads it back.
class StateWriter {
 public:
  /// `pieces` are those to come, each once; those of all writers of the state together cover each tensor without overlap. They are dealt in
  /// their order into files of at most `max_file_bytes`, or of one piece. Throws std::logic_error when an only writer's do not cover a tensor.
  StateWriter(std::filesystem::path folder, std::vector<StatePiece> pieces, uint64_t max_file_bytes, WriterPlace place = {});
  ~StateWriter();  // a file that is not whole is removed
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;
  /// Writes a piece, in any order. `bytes` are the slice's elements in row-major order, little endian. They go to the disk as
  /// they are, without a copy; a file is made durable when its last piece is there.
  /// Throws CommError when the disk is full or fails, std::logic_error for a piece that was not announced.
  void put(const std::string& tensor, const Slice& slice, std::string_view bytes);
  /// The text of the manifest, with which the store is whole, of an only writer, or of the first of several. `state` is small. `others` are the
  /// parts of the other writers, in their order. Throws std::logic_error when the pieces do not cover a tensor without overlap.
  std::string manifest(int64_t step, const Json& state, const std::vector<std::string>& others = {});
  /// What this writer has written, for the first one's manifest().
  std::string part();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::checkpoint
