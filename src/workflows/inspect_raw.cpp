#include "core/error.h"
#include "core/stop.h"
#include "data/files/raw_rows.h"
#include "workflows/inspect.h"

namespace ingot::workflows {

int inspect_raw(const InspectRawRequest& request, std::ostream& out) {
  const NothingToSave reading;
  data::print_raw_rows(request.file, request.limit, out);
  return kExitOk;
}

}  // namespace ingot::workflows
