#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <string>
#include <tuple>
#include <vector>

#include "checkpoint/run_checkpoint.h"
#include "checkpoint/safetensors.h"
#include "core/file.h"
#include "core/json.h"
#include "core/sha256.h"

namespace ingot {

/// Writes a checkpoint's folder as it was before manifests knew slices: whole tensors in one file, one sha256 a file.
inline void write_version_one(const std::filesystem::path& folder, int64_t step, const Json& state,
                              const std::vector<checkpoint::RunTensor>& tensors) {
  const std::string file = "state-00001-of-00001.safetensors";
  make_folder(folder);
  std::vector<checkpoint::TensorSource> sources;
  Json places = Json::array();
  for (const auto& tensor : tensors) {
    const auto& [name, value] = std::tie(tensor.name, tensor.value);
    const auto dtype = checkpoint::to_dtype(value.scalar_type());
    sources.push_back({name, dtype, value.sizes().vec(), [bytes = value.contiguous()](const checkpoint::ByteSink& sink) {
                         sink({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
                       }});
    places.push_back({{"name", name}, {"dtype", safetensors_name(dtype)}, {"shape", value.sizes().vec()}, {"file", file}});
  }
  const std::string sha256 = checkpoint::write_safetensors(folder / file, std::move(sources), {});
  Json document{{"format", "ingot-checkpoint"}, {"version", 1}, {"step", step}, {"state", state}, {"tensors", places},
                {"files", {{file, {{"sha256", sha256}, {"size", std::filesystem::file_size(folder / file)}}}}}};
  const std::string text = document.dump();
  document["sha256"] = sha256_hex(std::as_bytes(std::span(text)));
  write_file(folder / "manifest.json", document.dump(1) + "\n");
}

}  // namespace ingot
