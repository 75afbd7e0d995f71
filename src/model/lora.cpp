#include "model/lora.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/random.h"

namespace ingot::model {
namespace {

void add_layer(ParameterList& list, const LoraPlan::Layer& planned, double dropout) {
  const auto& layers = list.linear_layers;
  const auto found = std::find_if(layers.begin(), layers.end(), [&](const auto& l) { return l->module == planned.module; });
  TORCH_CHECK(found != layers.end(), planned.module, " is no linear layer of this model");
  LinearLayer& layer = **found;
  TORCH_CHECK(!layer.adapter.defined(), planned.module, " has an adapter already");
  const auto weight = list.find(layer.module + ".weight")->value;
  const auto add = [&](const std::string& name, const Shape& shape, Init init, double spread) {
    return add_parameter(list, {.name = name, .shape = shape, .init = init, .init_std = spread}, weight.scalar_type(), weight.device().str());
  };
  const auto names = factor_names(layer.module, layer.kind);
  const Shape a{planned.rank, layer.in}, b{layer.out, planned.rank};
  if (layer.kind == LayerKind::kEmbedding) {
    layer.adapter.a = add(names.a, a, Init::kUniform, 0);
    layer.adapter.b = add(names.b, b, Init::kNormal, 1);
  } else {
    layer.adapter.a = add(names.a, a, Init::kUniform, 1 / std::sqrt(static_cast<double>(layer.in)));
    layer.adapter.b = add(names.b, b, Init::kUniform, 0);
  }
  layer.adapter.scale = planned.scale;
  if (layer.kind != LayerKind::kEmbedding) layer.adapter.dropout = {dropout, named_stream(random_stream::kDropout, layer.module)};
}

}  // namespace

void add_lora(ParameterList& list, const LoraPlan& plan) {
  const auto& whole = plan.whole_parameters;
  for (const auto& parameter : list.parameters) {
    parameter->trainable = std::find(whole.begin(), whole.end(), parameter->name) != whole.end();
    parameter->value.set_requires_grad(parameter->trainable);
  }
  for (const auto& layer : plan.layers) add_layer(list, layer, plan.dropout);
}

FactorNames factor_names(const std::string& module, LayerKind kind) {
  if (kind == LayerKind::kEmbedding) return {module + ".lora_embedding_A", module + ".lora_embedding_B"};
  return {module + ".lora_A.weight", module + ".lora_B.weight"};
}

bool has_dropout(const ParameterList& list) {
  return std::any_of(list.linear_layers.begin(), list.linear_layers.end(), [](const auto& layer) {
    return layer->adapter.defined() && layer->adapter.dropout.probability > 0;
  });
}

}  // namespace ingot::model
