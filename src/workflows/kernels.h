#pragma once

#include <ostream>
#include <string>

namespace ingot::workflows {

/// What `ingot --version --verbose` prints beneath the version.
struct KernelsRequest {
  std::string version;
};

/// Prints the instruction sets, what else bits depend on, and which op runs on which path here.
int print_kernels(const KernelsRequest& request, std::ostream& out);

}  // namespace ingot::workflows
