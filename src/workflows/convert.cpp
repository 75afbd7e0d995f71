#include "workflows/convert.h"

#include <fmt/format.h>

#include "checkpoint/gguf/gguf_convert.h"
#include "core/error.h"
#include "core/log.h"

namespace ingot::workflows {

int convert(const ConvertRequest& request) {
  const auto dtype = dtype_from_config(request.dtype);
  if (!dtype) throw ConfigError(fmt::format("--dtype: found {}, wanted bfloat16, float16 or float32", request.dtype));
  checkpoint::convert_gguf(request.from, request.to, *dtype);
  log_info(fmt::format("wrote {}", request.to.string()));
  return kExitOk;
}

}  // namespace ingot::workflows
