#include "workflows/kernels.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/cpu.h"
#include "core/error.h"
#include "ops/arithmetic.h"
#include "ops/dispatch.h"

namespace ingot::workflows {

int print_kernels(const KernelsRequest& request, std::ostream& out) {
  std::vector<std::string_view> sets;
  for (const Isa set : available_isas()) sets.push_back(name_of(set));
  out << request.version << fmt::format("\ninstruction sets of this CPU: {} (INGOT_ISA chooses)\n", fmt::join(sets, ", "));
  const Json arithmetic = ops::arithmetic();
  for (const auto& [name, value] : arithmetic.items()) out << fmt::format("{}: {}\n", name, value.is_string() ? value.get<std::string>() : value.dump());
  out << "ops and their paths:\n" << ops::kernel_paths();
  return kExitOk;
}

}  // namespace ingot::workflows
