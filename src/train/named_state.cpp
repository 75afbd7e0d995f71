#include "train/named_state.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <map>

#include "core/error.h"
#include "core/shape.h"

namespace ingot::train {
namespace {

std::string describe(at::ScalarType type, const Shape& shape) {
  return fmt::format("{} {}", c10::toString(type), to_string(shape));
}

void check_kind(const checkpoint::TensorInfo& found, const at::Tensor& wanted) {
  const auto type = checkpoint::to_scalar_type(found.dtype);
  const Shape shape = wanted.sizes().vec();
  if (type != wanted.scalar_type() || found.shape != shape)
    throw DataError(fmt::format("checkpoint: tensor {}: found {}, wanted {}", found.name, describe(type, found.shape),
                                describe(wanted.scalar_type(), shape)));
}

}  // namespace

void read_named_state(const checkpoint::StateReader& from, const std::string& prefix,
                      const std::vector<checkpoint::NamedTensor>& into) {
  std::map<std::string, checkpoint::TensorInfo> found;
  for (const auto& tensor : from.tensors())
    if (tensor.name.starts_with(prefix)) found.emplace(tensor.name, tensor);
  for (const auto& [name, value] : into) {
    const auto match = found.find(name);
    if (match == found.end()) throw DataError(fmt::format("checkpoint: tensor {} is missing", name));
    check_kind(match->second, value);
    from.read_into(name, value);
    found.erase(match);
  }
  if (!found.empty())
    throw DataError(fmt::format("checkpoint: tensor {} does not belong to this model", found.begin()->first));
}

}  // namespace ingot::train
