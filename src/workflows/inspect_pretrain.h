#pragma once

#include <filesystem>
#include <iosfwd>

#include "workflows/inspect.h"

namespace ingot::workflows {

/// Shows what became of every record of a data set of stage pt. Throws ConfigError when it is not made yet, DataError when
/// its ledger lacks something.
void inspect_pretrain(const InspectRequest& request, const std::filesystem::path& prefix, std::ostream& out);

}  // namespace ingot::workflows
