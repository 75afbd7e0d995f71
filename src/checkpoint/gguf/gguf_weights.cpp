#include "checkpoint/gguf/gguf_weights.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "checkpoint/gguf/ggml_blocks.h"
#include "checkpoint/hf_folder.h"
#include "checkpoint/safetensors.h"
#include "core/error.h"
#include "core/printable.h"
#include "core/progress.h"
#include "core/stop.h"

namespace ingot::checkpoint {
namespace {

constexpr int64_t kElementsAtOnce = int64_t{1} << 22, kElementsOfAThread = int64_t{1} << 15;

/// A planned tensor and its place in the file.
struct Source {
  const GgufTensorPlan* plan;
  const GgufTensor* tensor;
};

std::vector<Source> match_tensors(const GgufFile& gguf, const std::vector<GgufTensorPlan>& plan) {
  std::map<std::string_view, const GgufTensor*> unused;
  for (const auto& tensor : gguf.tensors()) unused.emplace(tensor.name, &tensor);
  unused.erase("rope_freqs.weight");  // the config expresses it
  std::vector<Source> sources;
  for (const auto& wanted : plan) {
    const auto found = unused.find(wanted.from);
    if (found == unused.end())
      throw DataError(fmt::format("{}: tensor {} is missing", gguf.path().string(), wanted.from));
    if (found->second->shape != wanted.shape)
      throw DataError(fmt::format("{}: tensor {} is {}, wanted {}", gguf.path().string(), wanted.from,
                                  to_string(found->second->shape), to_string(wanted.shape)));
    sources.push_back({&wanted, found->second});
    unused.erase(found);
  }
  if (!unused.empty())
    throw DataError(fmt::format("{}: tensor {} has no place in this architecture", gguf.path().string(),
                                in_quotes(unused.begin()->first)));
  return sources;
}

/// Row of the file that becomes row `row`: (head, i, half) becomes (head, half, i).
int64_t row_in_file(int64_t row, int64_t interleaved_head_dim) {
  if (interleaved_head_dim == 0) return row;
  const int64_t within = row % interleaved_head_dim, pairs = interleaved_head_dim / 2;
  return row - within + within % pairs * 2 + within / pairs;
}

template <class Stored>
void store(std::span<const float> values, char* out) {
  auto* stored = reinterpret_cast<Stored*>(out);
  std::transform(values.begin(), values.end(), stored, [](float value) { return static_cast<Stored>(value); });
}

/// Half precision ends at 65504.
void expect_fits(DType dtype, std::span<const float> values, const std::string& name) {
  if (dtype != DType::kF16) return;
  for (const float value : values)
    if (std::isfinite(value) && std::abs(value) > static_cast<float>(std::numeric_limits<c10::Half>::max()))
      throw DataError(fmt::format("{}: found the value {:g}, which is beyond the largest float16; wanted another dtype", name, value));
}

void store_as(DType dtype, std::span<const float> values, char* out) {
  if (dtype == DType::kBF16) store<c10::BFloat16>(values, out);
  else if (dtype == DType::kF16) store<c10::Half>(values, out);
  else store<float>(values, out);
}

/// Rows `first` to `last` of the result. A vector is one row.
std::string decode_rows(const GgufFile& gguf, const Source& source, int64_t first, int64_t last, DType dtype) {
  const GgmlType& type = *find_ggml_type(source.tensor->type);
  const auto row_size = static_cast<uint64_t>(source.tensor->shape.back());
  const uint64_t row_bytes = row_size / type.block * type.bytes;
  const uint64_t out_bytes = row_size * static_cast<uint64_t>(size_of(dtype));
  const auto blocks = gguf.bytes(*source.tensor);
  std::string out(static_cast<uint64_t>(last - first) * out_bytes, '\0');
  const int64_t grain = std::max<int64_t>(1, kElementsOfAThread / static_cast<int64_t>(row_size));
  at::parallel_for(first, last, grain, [&](int64_t begin, int64_t end) {
    std::vector<float> values(row_size);
    for (int64_t row = begin; row < end; ++row) {
      const auto from = static_cast<uint64_t>(row_in_file(row, source.plan->interleaved_head_dim));
      decode_blocks(type, blocks.subspan(from * row_bytes, row_bytes), values);
      expect_fits(dtype, values, source.plan->to);
      store_as(dtype, values, out.data() + static_cast<uint64_t>(row - first) * out_bytes);
    }
  });
  return out;
}

}  // namespace

void write_gguf_weights(const GgufFile& gguf, const std::vector<GgufTensorPlan>& plan,
                        const std::filesystem::path& file, DType dtype) {
  const auto sources = match_tensors(gguf, plan);
  uint64_t total = 0;
  for (const auto& source : sources) total += source.tensor->size;
  Progress progress("converting", total, "B");
  std::vector<TensorSource> outputs;
  for (const auto& source : sources) {
    const auto produce = [&gguf, &progress, source, dtype](const ByteSink& sink) {
      end_if_stopped(kWriting);
      const Shape& shape = source.tensor->shape;
      const int64_t rows = shape.size() == 2 ? shape[0] : 1;
      const int64_t step = std::max<int64_t>(1, kElementsAtOnce / shape.back());
      for (int64_t first = 0; first < rows; first += step)
        sink(decode_rows(gguf, source, first, std::min(rows, first + step), dtype));
      progress.add(source.tensor->size);
    };
    outputs.push_back({source.plan->to, dtype, source.tensor->shape, produce});
  }
  write_safetensors(file, std::move(outputs), {{"format", "pt"}});
}

}  // namespace ingot::checkpoint
