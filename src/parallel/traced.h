#pragma once

#include <memory>
#include <string>

#include "parallel/communicator.h"

namespace ingot::parallel {

/// The same group, whose calls are events of the trace (core/trace.h), under that name; itself where none is kept. A call that has begun is an
/// event from then on until its end, and so is the wait for it.
std::unique_ptr<Communicator> traced(std::unique_ptr<Communicator> ranks, const std::string& name);

}  // namespace ingot::parallel
