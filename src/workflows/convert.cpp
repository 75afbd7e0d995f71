#include "workflows/convert.h"

#include <fmt/format.h>

#include "checkpoint/gguf/gguf_convert.h"
#include "core/error.h"
#include "core/expect_folder.h"
#include "core/is_there.h"
#include "core/log.h"
#include "core/output_folder.h"
#include "hub/merge.h"
#include "hub/run_folder.h"

namespace ingot::workflows {

int convert(const ConvertRequest& request) {
  hub::check_outside_runs(request.to);
  if (!request.adapter.empty()) {
    expect_folder(request.from, "--from", kModelFolder);
    expect_folder(request.adapter, "--adapter", kAdapterFolder);
    OutputFolder::check_apart(request.to, request.adapter, "the adapter");
    hub::merge_adapter(request.from, {{}, request.to, request.dtype.empty() ? "auto" : request.dtype, request.adapter.string(), request.check_tokens},
                       checkpoint::read_adapter(request.adapter));
    return kExitOk;
  }
  if (!is_there(request.from) || std::filesystem::is_directory(request.from))
    throw ConfigError(fmt::format("--from: found {}, which {}, wanted a .gguf file, or a model's folder with --adapter",
                                  request.from.string(), is_there(request.from) ? "is a folder" : "does not exist"));
  const auto dtype = dtype_from_config(request.dtype.empty() ? "float32" : request.dtype);
  if (!dtype) throw ConfigError(fmt::format("--dtype: found {}, wanted bfloat16, float16 or float32", request.dtype));
  checkpoint::convert_gguf(request.from, request.to, *dtype);
  log_info(fmt::format("wrote {}", request.to.string()));
  return kExitOk;
}

}  // namespace ingot::workflows
