#include "model/lora.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/random.h"

namespace ingot::model {
namespace {

/// How a factor is cut over tensor parallel ranks, and whether each of them has but a term of its gradient.
struct FactorSplit {
  parallel::Split split;
  bool is_partial = false;
};

/// A factor on the side along which the weight is cut is cut as it is. Of the other, which all ranks have, each makes a term of the gradient.
std::pair<FactorSplit, FactorSplit> splits_of_factors(const Parameter& weight, LayerKind kind) {
  const FactorSplit other{{}, true};
  if (weight.split.is_whole()) return {other, other};
  if (kind == LayerKind::kEmbedding) return {{{1, weight.split.blocks}}, other};
  if (weight.split.dim == 0) return {other, {{0, weight.split.blocks}}};
  return {{{1, weight.split.blocks}}, other};
}

/// Of the layer's random numbers: ranks that hold other columns of its input drop others.
std::string stream_name(const std::string& module, const Parameter& weight) {
  const bool has_own_columns = weight.part.index > 0 && !weight.split.is_whole() && weight.split.dim == 1;
  return has_own_columns ? module + "/" + std::to_string(weight.part.index) : module;
}

void add_layer(ParameterList& list, const LoraPlan::Layer& planned, double dropout) {
  const auto& layers = list.linear_layers;
  const auto found = std::find_if(layers.begin(), layers.end(), [&](const auto& l) { return l->module == planned.module; });
  TORCH_CHECK(found != layers.end(), planned.module, " is no linear layer of this model");
  LinearLayer& layer = **found;
  TORCH_CHECK(!layer.adapter.defined(), planned.module, " has an adapter already");
  const auto weight = list.find(layer.module + ".weight");
  const auto add = [&](const std::string& name, const Shape& shape, Init init, double spread, FactorSplit cut) {
    return add_parameter(list, {.name = name, .shape = shape, .init = init, .init_std = spread, .split = cut.split, .partial_gradient = cut.is_partial,
                                .layer = weight->layer, .expert = weight->expert},
                         weight->value.scalar_type(), weight->value.device().str(), weight->part);
  };
  const auto names = factor_names(layer.module, layer.kind);
  const auto [a_cut, b_cut] = splits_of_factors(*weight, layer.kind);
  const Shape a{planned.rank, layer.in}, b{layer.out, planned.rank};
  if (layer.kind == LayerKind::kEmbedding) {
    layer.adapter.a = add(names.a, a, Init::kUniform, 0, a_cut);
    layer.adapter.b = add(names.b, b, Init::kNormal, 1, b_cut);
  } else {
    layer.adapter.a = add(names.a, a, Init::kUniform, 1 / std::sqrt(static_cast<double>(layer.in)), a_cut);
    layer.adapter.b = add(names.b, b, Init::kUniform, 0, b_cut);
  }
  layer.adapter.scale = planned.scale;
  if (layer.kind != LayerKind::kEmbedding) layer.adapter.dropout = {dropout, named_stream(random_stream::kDropout, stream_name(layer.module, *weight))};
  for (size_t i = 0; i < layer.copies.size(); ++i) {
    layer.copies[i]->adapter = layer.adapter;
    layer.copies[i]->adapter.a = list.find(names.a)->leaf(i + 1), layer.copies[i]->adapter.b = list.find(names.b)->leaf(i + 1);
  }
}

}  // namespace

void add_lora(ParameterList& list, const LoraPlan& plan) {
  const auto& whole = plan.whole_parameters;
  for (const auto& parameter : list.parameters) parameter->set_trainable(std::find(whole.begin(), whole.end(), parameter->name) != whole.end());
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
