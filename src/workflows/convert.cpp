#include "workflows/convert.h"

#include <fmt/format.h>

#include "checkpoint/gguf/gguf_convert.h"
#include "core/error.h"
#include "core/log.h"
#include "core/output_folder.h"
#include "hub/merge.h"
#include "hub/run_folder.h"

namespace ingot::workflows {

int convert(const ConvertRequest& request) {
  hub::check_outside_runs(request.to);
  if (!request.adapter.empty()) {
    OutputFolder::check_apart(request.to, request.adapter, "the adapter");
    hub::merge_adapter(request.from, {{}, request.to, request.dtype.empty() ? "auto" : request.dtype, request.adapter.string(), request.check_tokens},
                       checkpoint::read_adapter(request.adapter));
    return kExitOk;
  }
  const auto dtype = dtype_from_config(request.dtype.empty() ? "float32" : request.dtype);
  if (!dtype) throw ConfigError(fmt::format("--dtype: found {}, wanted bfloat16, float16 or float32", request.dtype));
  checkpoint::convert_gguf(request.from, request.to, *dtype);
  log_info(fmt::format("wrote {}", request.to.string()));
  return kExitOk;
}

}  // namespace ingot::workflows
