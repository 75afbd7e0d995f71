#include "checkpoint/fused_experts.h"

#include <fmt/format.h>

#include <string_view>

#include "core/error.h"
#include "core/printable.h"

namespace ingot::checkpoint {
namespace {

constexpr std::string_view kGateUp = ".mlp.experts.gate_up_proj", kDown = ".mlp.experts.down_proj", kRouter = ".mlp.gate.weight";
constexpr const char* kMixture = ".block_sparse_moe";

/// The layer whose tensor `name` is; nothing when the name ends otherwise.
std::optional<std::string> layer_of(const std::string& name, std::string_view end) {
  if (!name.ends_with(end)) return {};
  return name.substr(0, name.size() - end.size());
}

/// Each expert's rows of the tensor, split evenly between matrices of these names.
std::vector<StoredTensor> split(const TensorInfo& stored, const std::string& layer, const std::vector<std::string>& matrices,
                               const std::string& source) {
  const auto parts = static_cast<int64_t>(matrices.size());
  if (stored.shape.size() != 3 || stored.shape[1] % parts != 0)
    throw DataError(fmt::format("{}: tensor {}: found shape {}, wanted [experts, {} * n, m]", source, in_quotes(stored.name),
                                to_string(stored.shape), parts));
  const int64_t rows = stored.shape[1] / parts;
  std::vector<StoredTensor> places;
  for (int64_t expert = 0; expert < stored.shape[0]; ++expert)
    for (int64_t part = 0; part < parts; ++part) {
      const auto name = fmt::format("{}{}.experts.{}.{}.weight", layer, kMixture, expert, matrices[static_cast<size_t>(part)]);
      places.push_back({{name, stored.dtype, {rows, stored.shape[2]}}, stored.name, (expert * parts + part) * rows});
    }
  return places;
}

}  // namespace

FusedExperts::FusedExperts(const std::vector<std::string>& stored) {
  for (const auto& name : stored)
    if (const auto layer = layer_of(name, kGateUp)) layers_.insert(*layer);
}

std::vector<StoredTensor> FusedExperts::places(const TensorInfo& stored, const std::string& source) const {
  if (const auto layer = layer_of(stored.name, kGateUp)) return split(stored, *layer, {"w1", "w3"}, source);
  if (const auto layer = layer_of(stored.name, kDown)) return split(stored, *layer, {"w2"}, source);
  if (const auto layer = layer_of(stored.name, kRouter); layer && layers_.contains(*layer))
    return {{{*layer + kMixture + ".gate.weight", stored.dtype, stored.shape}, stored.name}};
  return {{stored, stored.name}};
}

}  // namespace ingot::checkpoint
