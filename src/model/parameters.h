#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "model/parameter_specs.h"
#include "ops/linear.h"

namespace ingot::model {

class ShardedValue;

/// What this rank has of a parameter: of `count` tensor parallel ranks it is the one of that index.
struct TensorPart {
  int64_t index = 0, count = 1;
  bool is_here = true;   // the layers of another pipeline rank are not
  bool is_first = true;  // of the pipeline ranks that have it
  bool is_at_both_ends = false;  // of the pipeline, as a tied embedding is
};

/// A block of a parameter that this rank holds: `slice` of the whole, which stands in the value from `begin` on along the split's dimension.
struct OwnSlice {
  Slice slice;
  int64_t begin, extent;
  bool is_first;  // of the ranks that hold it: that one writes it and counts it
};

/// One named parameter of the model. `shape` is that of the whole; `value` holds this rank's part of it; on the meta device where it is not here.
struct Parameter : ParameterSpec {
  explicit Parameter(ParameterSpec spec, TensorPart part = {}) : ParameterSpec(std::move(spec)), part(part) {}
  TensorPart part;
  bool trainable = true;
  at::Tensor value = {};
  std::shared_ptr<ShardedValue> sharded = {};  // where the value has memory only while it is used (model/sharded_values.h)
  std::vector<at::Tensor> other_leaves = {};  // the same memory, for uses whose gradients are summed apart
  at::Tensor leaf(size_t index);  // 0: the value; others are made when they are first asked for
  void set_trainable(bool trains);
  /// The slices that the value is made of, one after another along split.dim; none where it is not here.
  std::vector<OwnSlice> slices() const;
  /// Copies this rank's part of a tensor of the whole shape into the value, where there is one, or into the rows of it that it keeps.
  void fill(const at::Tensor& whole);
  /// This rank's part of a tensor of the whole shape; itself where nothing is cut.
  at::Tensor own_part(const at::Tensor& whole) const;
};

/// What a linear layer is for: the embedding is one from one-hot ids.
enum class LayerKind { kLinear, kRouter, kEmbedding, kHead };

/// A linear layer of the model and what is added to its output; see model/lora.h.
struct LinearLayer {
  std::string module;  // Hugging Face's path: "model.layers.0.self_attn.q_proj"
  int64_t in, out;     // of the whole
  LayerKind kind = LayerKind::kLinear;
  ops::LowRank adapter = {};
  std::vector<std::shared_ptr<LinearLayer>> copies = {};  // the same made of other leaves of its parameters: of leaf 1, 2 ...
};

/// All parameters of a model in one ordered list; checkpoints, optimizer groups, planning and HF names read it.
struct ParameterList {
  std::vector<std::shared_ptr<Parameter>> parameters;
  std::vector<std::shared_ptr<LinearLayer>> linear_layers;  // those that may get an adapter
  int64_t num_elements() const;  // of the whole model; tied parameters count once
  int64_t num_trainable() const;
  std::shared_ptr<Parameter> find(const std::string& name) const;  // null when absent
  std::vector<at::Tensor> values_of(const std::string& module) const;  // of all parameters inside a module
};

/// Adds a parameter to the list, its value uninitialised (see initialize_parameters) on `device`: "meta", which takes no memory, "cpu" ...; where
/// it is not here, on meta.
at::Tensor add_parameter(ParameterList& list, ParameterSpec spec, at::ScalarType dtype, const std::string& device, TensorPart part = {});

/// The parameters of a list under a name prefix, for the layers that are made of them.
class ParameterScope {
 public:
  explicit ParameterScope(ParameterList& list, std::string prefix = "", size_t leaf = 0) : list_(&list), prefix_(std::move(prefix)), leaf_(leaf) {}
  ParameterScope child(const std::string& name) const { return ParameterScope(*list_, prefix_ + name + ".", leaf_); }
  /// The same parameters, for a use whose gradients are summed apart.
  ParameterScope of_leaf(size_t leaf) const { return ParameterScope(*list_, prefix_, leaf); }
  at::Tensor value(const std::string& name) const;          // throws where there is none
  at::Tensor value_if_any(const std::string& name) const;   // undefined where there is none
  /// Records the linear layer of the scope's name, whose "weight" is [out, in], an embedding's [in, out].
  std::shared_ptr<LinearLayer> linear_layer(LayerKind kind) const;

 private:
  ParameterList* list_;
  std::string prefix_;
  size_t leaf_;
};

/// A parameter's first value, whole, float32 on the CPU, from (seed, parameter name, element index): the same whatever the
/// threads or the layout.
at::Tensor initial_value(const Parameter& parameter, uint64_t seed);
/// Fills every parameter with its initial_value, rounded to the parameter's type.
void initialize_parameters(const ParameterList& list, uint64_t seed);

/// The value of a named parameter as it was before rounding to bfloat16, of the same shape and any float dtype.
using ExactWeights = std::function<at::Tensor(const std::string& name)>;

}  // namespace ingot::model
