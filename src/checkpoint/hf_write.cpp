#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <regex>
#include <set>

#include "checkpoint/hf_folder.h"
#include "checkpoint/hf_index.h"
#include "checkpoint/shard_plan.h"
#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"
#include "core/stop.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

constexpr double kLargestHalf = 65504;

uint64_t elements(const TensorMaker& tensor) { return static_cast<uint64_t>(num_elements(tensor.shape).value()); }

TensorSource source_of(const TensorMaker& tensor, Progress& progress) {
  const auto produce = [&tensor, &progress](const ByteSink& sink) {
    end_if_stopped(kWriting);
    const auto plain = converted(tensor.make(), tensor.dtype, tensor.name);
    sink({static_cast<const char*>(plain.const_data_ptr()), plain.nbytes()});
    progress.add(plain.nbytes());
  };
  return {tensor.name, tensor.dtype, tensor.shape, produce};
}

/// Removes weights of an earlier save that this one did not replace.
void remove_stale_weights(const fs::path& folder, const std::set<std::string>& written) {
  static const std::regex weights(R"(model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json)");
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (std::regex_match(name, weights) && !written.contains(name)) fs::remove(entry.path());
  }
}

/// Where finite values are beyond the dtype's largest. Half precision would round those just above 65504 to it.
at::Tensor beyond(const at::Tensor& value, const at::Tensor& plain) {
  if (plain.scalar_type() != at::kHalf) return plain.isinf().logical_and_(value.isfinite());
  const auto wide = value.scalar_type() == at::kDouble ? value : value.to(at::kFloat);
  return (wide.abs() > kLargestHalf).logical_and_(wide.isfinite());
}

}  // namespace

at::Tensor converted(const at::Tensor& value, DType dtype, const std::string& name) {
  const auto given = value.detach().to(at::kCPU), plain = given.to(to_scalar_type(dtype)).contiguous();
  if (!value.is_floating_point() || value.scalar_type() == plain.scalar_type() || plain.numel() == 0) return plain;
  const auto lost = beyond(given, plain);
  if (!lost.any().item<bool>()) return plain;
  const double found = given.masked_select(lost)[0].item<double>();
  throw DataError(fmt::format("{}: found the value {:g}, which is beyond the largest {}; wanted another dtype", name, found, config_name(dtype)));
}

void write_hf_weights(const fs::path& folder, const std::vector<TensorMaker>& tensors, uint64_t max_shard_bytes) {
  make_folder(folder);
  std::vector<uint64_t> sizes;
  WeightTotals totals;
  for (const auto& tensor : tensors) {
    sizes.push_back(elements(tensor) * size_of(tensor.dtype));
    totals.bytes += sizes.back();
    totals.parameters += elements(tensor);
  }
  Progress progress("writing weights", totals.bytes, "B");
  const auto shards = plan_shards(sizes, max_shard_bytes);
  WeightMap weight_map;
  std::set<std::string> written;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shards.size() == 1 ? kHfWeightsFile : shard_name("model", i, shards.size());
    std::vector<TensorSource> sources;
    for (const size_t number : shards[i]) {
      sources.push_back(source_of(tensors[number], progress));
      weight_map.emplace(tensors[number].name, name);
    }
    write_safetensors(folder / name, std::move(sources), {{"format", "pt"}});
    written.insert(name);
  }
  if (shards.size() > 1) {
    write_file(folder / kHfIndexFile, format_index(weight_map, totals));
    written.insert(kHfIndexFile);
  }
  remove_stale_weights(folder, written);
}

}  // namespace ingot::checkpoint
