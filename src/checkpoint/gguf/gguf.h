#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/file.h"
#include "core/shape.h"

namespace ingot::checkpoint {

/// Value of a GGUF key; integers of every width are widened, an array of them has the signed form.
using GgufValue = std::variant<uint64_t, int64_t, double, bool, std::string, std::vector<std::string>,
                               std::vector<double>, std::vector<int64_t>>;

struct GgufTensor {
  std::string name;
  Shape shape;        // row-major, outermost first (the file's order reversed)
  uint32_t type = 0;  // ggml type number
  uint64_t offset = 0, size = 0;
};

/// A mapped GGUF file, versions 2 and 3 (FORMATS §9). Every count, length and offset is checked before use; throws
/// DataError.
class GgufFile {
 public:
  explicit GgufFile(const std::filesystem::path& file);
  const std::map<std::string, GgufValue>& values() const { return values_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const std::filesystem::path& path() const { return file_->path(); }
  /// The tensor's blocks as they lie in the file.
  std::span<const std::byte> bytes(const GgufTensor& tensor) const;
  /// The tensor's elements as float32, equal to gguf.quants.dequantize bit for bit.
  std::vector<float> dequantize(const GgufTensor& tensor) const;

 private:
  std::unique_ptr<MappedFile> file_;
  std::map<std::string, GgufValue> values_;
  std::vector<GgufTensor> tensors_;
  uint64_t data_start_ = 0;
};

/// Decodes `count` elements of ggml type `type` (F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K).
/// Throws DataError for another type or a count that is not a whole number of blocks.
std::vector<float> dequantize_ggml(uint32_t type, std::span<const std::byte> bytes, uint64_t count);

}  // namespace ingot::checkpoint
