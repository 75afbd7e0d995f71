#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace ingot::hub {

/// What a model computes in, and where it is held: "cpu", "cuda", "npu".
struct Compute {
  at::ScalarType type;
  std::string device = "cpu";
};

/// As keys and flags have them. precision: auto, bf16, fp32. device: auto, cpu, cuda, npu.
struct ComputeWords {
  std::string precision = "auto", device = "auto";
  std::string prefix = {};  // before their names in an error: "--", "run.yaml: "
};

/// What `words` mean on this machine. device auto: the first of cuda and npu that is there, else the CPU; precision auto: bf16 where
/// the device multiplies it in hardware. Throws ConfigError for another word, and for a device that is not there, saying why.
Compute find_compute(const ComputeWords& words);

/// The same, and says what auto became.
Compute choose_compute(const ComputeWords& words);

}  // namespace ingot::hub
