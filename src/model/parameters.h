#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <functional>
#include <string>
#include <vector>

#include "core/shape.h"
#include "ops/linear.h"

namespace ingot::model {

enum class Init { kOnes, kZeros, kNormal, kUniform };

/// One named parameter of the model; `name` is the Hugging Face name. `value` is on the meta device until filled.
struct Parameter {
  std::string name;
  Shape shape;
  Init init = Init::kNormal;
  double init_std = 0.02;  // of kNormal; of kUniform it is half the width
  bool trainable = true;
  bool decay = true;  // weight decay applies: matrices yes, norms and biases no
  at::Tensor value = {};
};

/// What a linear layer is for: the embedding is one from one-hot ids.
enum class LayerKind { kLinear, kRouter, kEmbedding, kHead };

/// A linear layer of the model and what is added to its output; see model/lora.h.
struct LinearLayer {
  std::string module;  // Hugging Face's path: "model.layers.0.self_attn.q_proj"
  int64_t in, out;
  LayerKind kind = LayerKind::kLinear;
  ops::LowRank adapter = {};
};

/// All parameters of a model in one ordered list; checkpoints, optimizer groups, planning and HF names read it.
struct ParameterList {
  std::vector<std::shared_ptr<Parameter>> parameters;
  std::vector<std::shared_ptr<LinearLayer>> linear_layers;  // those that may get an adapter
  int64_t num_elements() const;  // tied parameters count once
  int64_t num_trainable() const;
  std::shared_ptr<Parameter> find(const std::string& name) const;  // null when absent
  std::vector<at::Tensor> values_of(const std::string& module) const;  // of all parameters inside a module
};

/// Hands out parameters under a name prefix and records them. The same construction works on the meta device, which
/// takes no memory. Source of the idea: DESIGN decision 3.
class ParameterScope {
 public:
  /// `device` "meta" or "cpu" ...; values are created there uninitialised (see initialize_parameters).
  ParameterScope(ParameterList& list, at::ScalarType dtype, std::string device);
  ParameterScope child(const std::string& name) const;  // prefix "name."
  at::Tensor ones(const std::string& name, const Shape& shape) const;    // norm weights: no decay
  at::Tensor zeros(const std::string& name, const Shape& shape) const;   // biases: no decay
  at::Tensor normal(const std::string& name, const Shape& shape, double std) const;  // matrices: decay
  at::Tensor uniform(const std::string& name, const Shape& shape, double half_width) const;  // the same; 0 gives zeros
  /// Records a linear layer by the scope's name.
  std::shared_ptr<LinearLayer> linear_layer(int64_t in, int64_t out, LayerKind kind) const;

 private:
  at::Tensor add(Parameter parameter) const;
  ParameterList* list_;
  at::ScalarType dtype_;
  std::string device_, prefix_;
};

/// A parameter's first value, float32 on the CPU, from (seed, parameter name, element index): the same whatever the
/// threads or the layout.
at::Tensor initial_value(const Parameter& parameter, uint64_t seed);
/// Fills every parameter with its initial_value, rounded to the parameter's type.
void initialize_parameters(const ParameterList& list, uint64_t seed);

/// The value of a named parameter as it was before rounding to bfloat16, of the same shape and any float dtype.
using ExactWeights = std::function<at::Tensor(const std::string& name)>;

}  // namespace ingot::model
