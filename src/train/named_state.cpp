#include "train/named_state.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/shape.h"
#include "model/sharded_values.h"

namespace ingot::train {
namespace {

std::string describe(at::ScalarType type, const Shape& shape) {
  return fmt::format("{} {}", c10::toString(type), to_string(shape));
}

void check_kind(const checkpoint::TensorInfo& found, const checkpoint::RunTensor& wanted) {
  const auto type = checkpoint::to_scalar_type(found.dtype);
  if (type != wanted.value.scalar_type() || found.shape != wanted.shape)
    throw DataError(fmt::format("checkpoint: tensor {}: found {}, wanted {}", found.name, describe(type, found.shape),
                                describe(wanted.value.scalar_type(), wanted.shape)));
}

void read_parts(const checkpoint::StateReader& from, const checkpoint::RunTensor& into) {
  const at::NoGradGuard no_grad;
  for (const auto& part : into.parts) into.value.narrow(into.dim, part.begin, part.extent).copy_(from.read(into.name, part.slice));
}

}  // namespace

checkpoint::RunTensor state_tensor(const std::string& prefix, const model::Parameter& parameter, at::Tensor value) {
  checkpoint::RunTensor tensor(prefix + parameter.name, std::move(value));
  tensor.shape = parameter.shape, tensor.dim = parameter.split.dim;
  tensor.parts.clear();
  for (const auto& own : parameter.slices()) tensor.parts.push_back({own.slice, own.begin, own.extent, own.is_first});
  return tensor;
}

checkpoint::RunTensor rows_of_state_tensor(checkpoint::RunTensor tensor, at::Tensor rows, int64_t first) {
  const int64_t end = first + rows.size(0);
  std::vector<checkpoint::RunTensor::Part> kept;
  for (auto part : tensor.parts) {
    const int64_t part_first = tensor.dim == 0 ? part.begin : 0, part_end = part_first + part.slice.extent[0];
    const int64_t from = std::max(first, part_first), to = std::min(end, part_end);
    if (from >= to) continue;
    part.slice.offset[0] += from - part_first;
    part.slice.extent[0] = to - from;
    if (tensor.dim == 0) part.begin = from - first, part.extent = to - from;
    kept.push_back(std::move(part));
  }
  tensor.parts = std::move(kept);
  tensor.value = std::move(rows);
  return tensor;
}

checkpoint::RunTensor value_tensor(const std::string& prefix, const model::Parameter& parameter) {
  if (!parameter.sharded) return state_tensor(prefix, parameter, parameter.value.detach());
  const auto& [rows, own] = std::tie(parameter.sharded->rows, parameter.sharded->own);
  return rows_of_state_tensor(state_tensor(prefix, parameter, own), own, rows.first);
}

void read_named_state(const checkpoint::StateReader& from, const std::string& prefix,
                      const std::vector<checkpoint::RunTensor>& into) {
  std::map<std::string, checkpoint::TensorInfo> found;
  for (const auto& tensor : from.tensors())
    if (tensor.name.starts_with(prefix)) found.emplace(tensor.name, tensor);
  for (const auto& tensor : into) {
    const auto match = found.find(tensor.name);
    if (match == found.end()) throw DataError(fmt::format("checkpoint: tensor {} is missing", tensor.name));
    check_kind(match->second, tensor);
    tensor.is_whole() ? from.read_into(tensor.name, tensor.value) : read_parts(from, tensor);
    found.erase(match);
  }
  if (!found.empty())
    throw DataError(fmt::format("checkpoint: tensor {} does not belong to this model", found.begin()->first));
}

}  // namespace ingot::train
