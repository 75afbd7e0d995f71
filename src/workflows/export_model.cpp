#include "workflows/export_model.h"

#include "core/error.h"

namespace ingot::workflows {

int export_model(const ExportRequest& request) {
  hub::export_run(request);
  return kExitOk;
}

}  // namespace ingot::workflows
