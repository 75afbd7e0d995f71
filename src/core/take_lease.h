#pragma once

#include <memory>

#include "core/lease.h"

namespace ingot {

/// The lease under its name. Waits, refuses and takes over as Lease says.
std::unique_ptr<OwnLease> take_lease(const LeaseTerms& terms);

}  // namespace ingot
