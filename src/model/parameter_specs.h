#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/shape.h"
#include "model/decoder_config.h"
#include "model/family.h"
#include "parallel/split.h"

namespace ingot::model {

enum class Init { kOnes, kZeros, kNormal, kUniform };

/// What a parameter is before it has a value.
struct ParameterSpec {
  std::string name;  // Hugging Face's
  Shape shape;
  Init init = Init::kNormal;
  double init_std = 0.02;       // of kNormal; of kUniform it is half the width
  bool decay = true;            // weight decay applies: matrices yes, norms and biases no
  parallel::Split split = {};   // over tensor parallel ranks: attention by heads, gate and up by columns, down by rows, vocabulary by rows
  bool partial_gradient = false;  // every rank has all of it, and of its gradient a term: of its share of the tokens, or of a matrix that is cut
  int64_t layer = -1;           // of the decoder; -1: none, an end of the model
  int64_t expert = -1;          // of a mixture; -1: none
};

/// The parameters of a model, in the order in which everything that walks them does. Needs no LibTorch.
std::vector<ParameterSpec> parameter_specs(const DecoderConfig& config, const Family& family);

}  // namespace ingot::model
