#include "checkpoint/gguf/gguf.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "checkpoint/gguf/ggml_blocks.h"
#include "checkpoint/gguf/gguf_header.h"
#include "core/error.h"

namespace ingot::checkpoint {
namespace {
constexpr int64_t kElementsAtLeast = 32768;  // fewer are not worth another thread
}

GgufFile::GgufFile(const std::filesystem::path& file) : file_(std::make_unique<MappedFile>(file)) {
  auto header = parse_gguf_header(file_->bytes(), file.string());
  values_ = std::move(header.values);
  tensors_ = std::move(header.tensors);
  data_start_ = header.data_start;
}

std::span<const std::byte> GgufFile::bytes(const GgufTensor& tensor) const {
  return file_->bytes().subspan(data_start_ + tensor.offset, tensor.size);
}

std::vector<float> GgufFile::dequantize(const GgufTensor& tensor) const {
  return dequantize_ggml(tensor.type, bytes(tensor), static_cast<uint64_t>(num_elements(tensor.shape).value()));
}

std::vector<float> dequantize_ggml(uint32_t type, std::span<const std::byte> bytes, uint64_t count) {
  const GgmlType* found = find_ggml_type(type);
  if (!found) throw DataError(fmt::format("ggml type {}, wanted {}", type, known_ggml_types()));
  const uint64_t blocks = count / found->block;
  if (count % found->block != 0 || bytes.size() % found->bytes != 0 || bytes.size() / found->bytes != blocks)
    throw DataError(fmt::format("{} elements of {} in {} bytes, wanted {} bytes for each {}", count, found->name,
                                bytes.size(), found->bytes, found->block));
  std::vector<float> out(count);
  const auto grain = std::max<int64_t>(1, kElementsAtLeast / static_cast<int64_t>(found->block));
  at::parallel_for(0, static_cast<int64_t>(blocks), grain, [&](int64_t first, int64_t last) {
    const auto begin = static_cast<uint64_t>(first), size = static_cast<uint64_t>(last - first);
    decode_blocks(*found, bytes.subspan(begin * found->bytes, size * found->bytes),
                  std::span(out).subspan(begin * found->block, size * found->block));
  });
  return out;
}

}  // namespace ingot::checkpoint
