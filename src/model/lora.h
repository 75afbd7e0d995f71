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

/// Freezes the parameters, except the whole ones, and gives every layer of the plan its parameters
/// "MODULE.lora_A.weight" [rank, in], whose first values are uniform within 1/sqrt(in), and "MODULE.lora_B.weight"
/// [out, rank], zero; both of the type and on the device of the layer's weight, at the end of the list, with weight
/// decay. The model computes what it did until they are trained. Values are uninitialised.
/// Source: Hu et al. 2021, with the names and first values of PEFT.
void add_lora(ParameterList& list, const LoraPlan& plan);

/// "MODULE.lora_A.weight" and "MODULE.lora_B.weight".
std::string lora_a_name(const std::string& module);
std::string lora_b_name(const std::string& module);

/// True when a layer drops elements in training, so that ModelInput needs keys.
bool has_dropout(const ParameterList& list);

}  // namespace ingot::model
