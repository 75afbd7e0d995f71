#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/parameters.h"

namespace ingot::model {

/// What is trained in place of the whole model: low-rank additions to linear layers, and some parameters whole.
struct LoraPlan {
  struct Layer {
    std::string module;  // of a LinearLayer
    int64_t rank;
    double scale;        // of its addition: alpha / rank, or alpha / sqrt(rank)
  };
  std::vector<Layer> layers;
  double dropout = 0;
  std::vector<std::string> whole_parameters;  // names of parameters that stay trainable
};

/// Freezes the parameters, except the whole ones, and gives every layer of the plan its factors: A [rank, in], whose first
/// values are uniform within 1/sqrt(in), and B [out, rank], zero; an embedding's A is zero and its B normal of deviation 1,
/// and nothing is dropped there. Both are of the type and on the device of the layer's weight, at the end of the list,
/// with weight decay. The model computes what it did until they are trained. Values are uninitialised.
/// Source: Hu et al. 2021, with the names and first values of PEFT.
void add_lora(ParameterList& list, const LoraPlan& plan);

/// Names of a layer's factors: "MODULE.lora_A.weight" and "MODULE.lora_B.weight"; an embedding's "MODULE.lora_embedding_A"
/// and "MODULE.lora_embedding_B".
struct FactorNames { std::string a, b; };
FactorNames factor_names(const std::string& module, LayerKind kind);

/// True when a layer drops elements in training, so that ModelInput needs keys.
bool has_dropout(const ParameterList& list);

}  // namespace ingot::model
