#include "train/named_state.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <map>

#include "core/error.h"
#include "core/shape.h"

namespace ingot::train {
namespace {

std::string describe(const at::Tensor& tensor) {
  return fmt::format("{} {}", c10::toString(tensor.scalar_type()), to_string(tensor.sizes().vec()));
}

void copy_checked(const std::string& name, const at::Tensor& from, at::Tensor into) {
  if (from.sizes() != into.sizes() || from.scalar_type() != into.scalar_type())
    throw DataError(fmt::format("checkpoint: tensor {}: found {}, wanted {}", name, describe(from), describe(into)));
  const at::NoGradGuard no_grad;
  into.copy_(from);
}

}  // namespace

void copy_named_state(const std::vector<checkpoint::NamedTensor>& from, const std::string& prefix,
                      const std::vector<checkpoint::NamedTensor>& into) {
  std::map<std::string, at::Tensor> found;
  for (const auto& [name, value] : from)
    if (name.starts_with(prefix)) found.emplace(name, value);
  for (const auto& [name, value] : into) {
    const auto match = found.find(name);
    if (match == found.end()) throw DataError(fmt::format("checkpoint: tensor {} is missing", name));
    copy_checked(name, match->second, value);
    found.erase(match);
  }
  if (!found.empty())
    throw DataError(fmt::format("checkpoint: tensor {} does not belong to this model", found.begin()->first));
}

}  // namespace ingot::train
