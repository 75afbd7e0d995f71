#include "checkpoint/manifest.h"

#include <fmt/format.h>

#include "checkpoint/checkpoint_name.h"
#include "core/error.h"
#include "core/file.h"
#include "core/printable.h"
#include "core/sha256.h"

namespace ingot::checkpoint {
namespace {

constexpr int kVersion = 1;

std::string digest_of(const Json& document) {
  const std::string text = document.dump();
  return sha256_hex(std::as_bytes(std::span(text)));
}

DType parse_dtype(const std::string& name, const std::string& file) {
  const auto dtype = dtype_from_safetensors(name);
  if (!dtype) throw DataError(fmt::format("{}: unknown dtype {}", file, in_quotes(name)));
  return *dtype;
}

/// Throws DataError, or the JSON library's exception on a field that is missing or of another kind.
Manifest parse_manifest(Json document, const std::string& file) {
  const std::string format = document.at("format");
  const int64_t version = document.at("version");
  if (format != kCheckpointFormat || version != kVersion)
    throw DataError(fmt::format("{}: format {} version {}, wanted {} version {}", file, in_quotes(format), version,
                                kCheckpointFormat, kVersion));
  const std::string wanted = document.at("sha256");
  document.erase("sha256");
  if (const auto found = digest_of(document); found != wanted)
    throw DataError(fmt::format("{}: sha256 of its content is {}, wanted {}", file, found, in_quotes(wanted)));
  Manifest manifest{document.at("step"), document.at("state"), {}, {}};
  for (const auto& tensor : document.at("tensors"))
    manifest.tensors.push_back(
        {tensor.at("name"), parse_dtype(tensor.at("dtype"), file), tensor.at("shape"), tensor.at("file")});
  for (const auto& [name, digest] : document.at("files").items())
    manifest.files[name] = {digest.at("sha256"), digest.at("size")};
  return manifest;
}

}  // namespace

std::string format_manifest(const Manifest& manifest) {
  Json tensors = Json::array(), files = Json::object();
  for (const auto& [name, dtype, shape, file] : manifest.tensors)
    tensors.push_back({{"name", name}, {"dtype", safetensors_name(dtype)}, {"shape", shape}, {"file", file}});
  for (const auto& [name, digest] : manifest.files) files[name] = {{"sha256", digest.sha256}, {"size", digest.size}};
  Json document{{"format", kCheckpointFormat}, {"version", kVersion}, {"step", manifest.step},
                {"state", manifest.state},     {"tensors", tensors},  {"files", files}};
  document["sha256"] = digest_of(document);
  return document.dump(1) + "\n";
}

Manifest read_manifest(const std::filesystem::path& file) {
  Json document = read_json(file);
  try {
    return parse_manifest(std::move(document), file.string());
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format("{}: {}", file.string(), printable(error.what())));
  }
}

}  // namespace ingot::checkpoint
