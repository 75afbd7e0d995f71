#include "model/parameters.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "core/random.h"
#include "core/stop.h"
#include "model/sharded_values.h"

namespace ingot::model {
namespace {

/// Two independent standard normal values from one draw of 64 bits (Box and Muller 1958).
std::pair<float, float> normal_pair(uint64_t bits) {
  const float u = (static_cast<float>(bits >> 40) + 0.5f) * 0x1p-24f;  // in (0, 1)
  const float angle = static_cast<float>(bits & 0xffffffffu) * static_cast<float>(2 * std::numbers::pi * 0x1p-32);
  const float radius = std::sqrt(-2 * std::log(u));
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

/// Elements 2i and 2i+1 come from draw i, so any shard can be filled alone. `value` is contiguous float32 on the CPU.
void fill_normal(at::Tensor& value, float std, uint64_t seed, uint64_t stream) {
  float* data = value.mutable_data_ptr<float>();
  const int64_t n = value.numel();
  at::parallel_for(0, (n + 1) / 2, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto [first, second] = normal_pair(random_bits(seed, stream, static_cast<uint64_t>(i)));
      data[2 * i] = first * std;
      if (2 * i + 1 < n) data[2 * i + 1] = second * std;
    }
  });
}

/// Uniform in (-half_width, half_width). `value` is contiguous float32 on the CPU.
void fill_uniform(at::Tensor& value, float half_width, uint64_t seed, uint64_t stream) {
  float* data = value.mutable_data_ptr<float>();
  at::parallel_for(0, value.numel(), 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto bits = static_cast<float>(random_bits(seed, stream, static_cast<uint64_t>(i)) >> 40);
      data[i] = ((bits + 0.5f) * 0x1p-23f - 1.0f) * half_width;
    }
  });
}

}  // namespace

at::Tensor Parameter::leaf(size_t index) {
  while (other_leaves.size() < index) other_leaves.push_back(value.detach().set_requires_grad(trainable));
  return index == 0 ? value : other_leaves[index - 1];
}

void Parameter::set_trainable(bool trains) {
  trainable = trains;
  value.set_requires_grad(trains);
  for (auto& leaf : other_leaves) leaf.set_requires_grad(trains);
}

std::vector<OwnSlice> Parameter::slices() const {
  if (!part.is_here) return {};
  const auto own = parallel::slices_of(split, shape, part.index, part.count);
  if (split.is_whole()) return {{own[0], 0, shape.empty() ? 1 : shape[0], part.index == 0 && part.is_first}};
  std::vector<OwnSlice> found;
  int64_t begin = 0;
  for (size_t i = 0; i < own.size(); ++i) {
    const int64_t extent = own[i].extent[static_cast<size_t>(split.dim)];
    found.push_back({own[i], begin, extent, part.is_first && parallel::is_first_holder(split.blocks[i], part.index, part.count)});
    begin += extent;
  }
  return found;
}

void Parameter::fill(const at::Tensor& whole) {
  const at::NoGradGuard no_grad;
  if (!part.is_here) return;
  sharded ? sharded->own.copy_(sharded->rows.of(own_part(whole))) : value.copy_(own_part(whole));
}

at::Tensor Parameter::own_part(const at::Tensor& whole) const {
  if (part.count == 1 || split.is_whole()) return whole;
  std::vector<at::Tensor> parts;
  for (const auto& [slice, begin, extent, is_first] : slices())
    parts.push_back(whole.narrow(split.dim, slice.offset[static_cast<size_t>(split.dim)], extent));
  return at::cat(parts, split.dim);
}

int64_t ParameterList::num_elements() const {
  int64_t total = 0;
  for (const auto& parameter : parameters) total += ingot::num_elements(parameter->shape).value();
  return total;
}

int64_t ParameterList::num_trainable() const {
  int64_t total = 0;
  for (const auto& parameter : parameters)
    if (parameter->trainable) total += ingot::num_elements(parameter->shape).value();
  return total;
}

std::vector<at::Tensor> ParameterList::values_of(const std::string& module) const {
  std::vector<at::Tensor> values;
  for (const auto& parameter : parameters)
    if (parameter->name.starts_with(module + ".")) {
      values.push_back(parameter->value);
      values.insert(values.end(), parameter->other_leaves.begin(), parameter->other_leaves.end());
    }
  return values;
}

std::shared_ptr<Parameter> ParameterList::find(const std::string& name) const {
  const auto found = std::find_if(parameters.begin(), parameters.end(), [&](const auto& p) { return p->name == name; });
  return found == parameters.end() ? nullptr : *found;
}

at::Tensor add_parameter(ParameterList& list, ParameterSpec spec, at::ScalarType dtype, const std::string& device, TensorPart part) {
  TORCH_CHECK(dtype == at::kFloat || dtype == at::kBFloat16, "parameters are float32 or bfloat16, not ", dtype);
  TORCH_CHECK(list.find(spec.name) == nullptr, "parameter ", spec.name, " exists twice");
  auto parameter = std::make_shared<Parameter>(std::move(spec), part);
  parameter->value = at::empty(parallel::part_shape(parameter->split, parameter->shape, part.count), at::TensorOptions().dtype(dtype).device(part.is_here ? device : "meta"));
  parameter->value.set_requires_grad(true);
  list.parameters.push_back(parameter);
  return parameter->value;
}

at::Tensor ParameterScope::value(const std::string& name) const {
  const auto found = value_if_any(name);
  TORCH_CHECK(found.defined(), "the model has no parameter ", prefix_, name);
  return found;
}

at::Tensor ParameterScope::value_if_any(const std::string& name) const {
  const auto found = list_->find(prefix_ + name);
  return found ? found->leaf(leaf_) : at::Tensor();
}

std::shared_ptr<LinearLayer> ParameterScope::linear_layer(LayerKind kind) const {
  const auto weight = list_->find(prefix_ + "weight");
  TORCH_CHECK(weight, "the model has no parameter ", prefix_, "weight");
  if (leaf_ > 0) {
    const auto first = std::find_if(list_->linear_layers.begin(), list_->linear_layers.end(), [&](const auto& layer) { return layer->module + "." == prefix_; });
    (*first)->copies.push_back(std::make_shared<LinearLayer>(**first));
    return (*first)->copies.back();
  }
  const bool is_embedding = kind == LayerKind::kEmbedding;
  const int64_t in = weight->shape[is_embedding ? 0 : 1], out = weight->shape[is_embedding ? 1 : 0];
  list_->linear_layers.push_back(std::make_shared<LinearLayer>(prefix_.substr(0, prefix_.size() - 1), in, out, kind));
  return list_->linear_layers.back();
}

at::Tensor initial_value(const Parameter& parameter, uint64_t seed) {
  if (parameter.init == Init::kOnes) return at::ones(parameter.shape, at::kFloat);
  const bool zeros = parameter.init == Init::kZeros || (parameter.init == Init::kUniform && parameter.init_std == 0);
  if (zeros) return at::zeros(parameter.shape, at::kFloat);
  auto value = at::empty(parameter.shape, at::kFloat);
  const uint64_t stream = named_stream(random_stream::kInit, parameter.name);
  const auto spread = static_cast<float>(parameter.init_std);
  parameter.init == Init::kUniform ? fill_uniform(value, spread, seed, stream) : fill_normal(value, spread, seed, stream);
  return value;
}

void initialize_parameters(const ParameterList& list, uint64_t seed) {
  for (const auto& parameter : list.parameters) {
    end_if_stopped("filling a new model, nothing is lost");
    if (parameter->part.is_here) parameter->fill(initial_value(*parameter, seed));
  }
}

}  // namespace ingot::model
