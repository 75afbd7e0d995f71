#pragma once

#include "hub/export_run.h"

namespace ingot::workflows {

using ExportRequest = hub::ExportRequest;

/// The newest good checkpoint of a run as a Hugging Face folder, an adapter, or both. Returns the exit code.
int export_model(const ExportRequest& request);

}  // namespace ingot::workflows
