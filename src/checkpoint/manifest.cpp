#include "checkpoint/manifest.h"

#include <fmt/format.h>

#include "checkpoint/slice_cover.h"
#include "core/error.h"
#include "core/file.h"
#include "core/printable.h"
#include "core/sha256.h"

namespace ingot::checkpoint {
namespace {

constexpr const char* kFormat = "ingot-checkpoint";
constexpr int64_t kVersion = 2, kWholeTensors = 1;  // the version of before, which knew no slices

std::string digest_of(const Json& document) {
  const std::string text = document.dump();
  return sha256_hex(std::as_bytes(std::span(text)));
}

Json pieces_of(const TensorRecord& tensor) {
  Json pieces = Json::array();
  for (const auto& piece : tensor.pieces)
    pieces.push_back({{"offset", piece.slice.offset}, {"extent", piece.slice.extent}, {"file", piece.file}, {"xxh3", piece.digest}});
  return pieces;
}

/// Builds a Manifest of one file; messages name it. What is missing or of another kind throws the JSON library's exception.
struct ManifestReader {
  std::string file;
  bool is_part = false;
  int64_t version = 0;

  [[noreturn]] void fail(const std::string& problem) const { throw DataError(fmt::format("{}: {}", file, problem)); }

  void check_whole(Json document) {
    const std::string format = document.at("format");
    version = document.at("version");
    if (format != kFormat || (version != kVersion && version != kWholeTensors))
      fail(fmt::format("found format {} version {}, wanted {} version {} or {}", in_quotes(format), version, kFormat,
                       kWholeTensors, kVersion));
    const std::string wanted = document.at("sha256");
    document.erase("sha256");
    if (const auto found = digest_of(document); found != wanted)
      fail(fmt::format("sha256 of its content is {}, wanted {}", found, in_quotes(wanted)));
  }

  DType dtype(const Json& name) const {
    if (const auto dtype = dtype_from_safetensors(name.get<std::string>())) return *dtype;
    fail(fmt::format("unknown dtype {}", in_quotes(name.get<std::string>())));
  }

  std::vector<PieceRecord> pieces(const Json& tensor, const Shape& shape) const {
    if (version == kWholeTensors) return {{whole_of(shape), tensor.at("file"), ""}};
    std::vector<PieceRecord> pieces;
    for (const auto& piece : tensor.at("pieces"))
      pieces.push_back({{piece.at("offset"), piece.at("extent")}, piece.at("file"), piece.at("xxh3")});
    return pieces;
  }

  void check_cover(const TensorRecord& tensor, size_t number) const {
    std::vector<Slice> slices;
    for (const auto& piece : tensor.pieces) slices.push_back(piece.slice);
    if (const auto problem = cover_problem(tensor.shape, slices))
      fail(fmt::format("tensor {}: tensors[{}].pieces{}", in_quotes(tensor.name), number, *problem));
  }

  std::vector<TensorRecord> tensors(const Json& document) const {
    std::vector<TensorRecord> tensors;
    std::set<std::string> names;
    for (const auto& tensor : document.at("tensors")) {
      const Shape shape = tensor.at("shape");
      const auto& added = tensors.emplace_back(TensorRecord{tensor.at("name"), dtype(tensor.at("dtype")), shape, pieces(tensor, shape)});
      if (!names.insert(added.name).second) fail(fmt::format("tensor {}: is there twice, wanted once", in_quotes(added.name)));
      if (!is_part) check_cover(added, tensors.size() - 1);
    }
    return tensors;
  }

  FileRecord file_record(const Json& record) const {
    if (version == kWholeTensors) return {record.at("size"), "", record.at("sha256")};
    return {record.at("size"), record.at("header_xxh3"), ""};
  }

  Manifest read(const Json& document) {
    check_whole(document);
    Manifest manifest{document.at("step"), document.at("state"), tensors(document), {}};
    for (const auto& [name, record] : document.at("files").items()) manifest.files[name] = file_record(record);
    return manifest;
  }
};

Manifest read_document(const Json& document, const std::string& name, bool is_part) {
  try {
    return ManifestReader{name, is_part}.read(document);
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format("{}: {}", name, printable(error.what())));
  }
}

}  // namespace

std::set<std::string> names_of_files(const Manifest& manifest) {
  std::set<std::string> names;
  for (const auto& [name, record] : manifest.files) names.insert(name);
  return names;
}

std::string piece_name(const std::string& tensor, const Shape& shape, const Slice& slice) {
  return slice == whole_of(shape) ? tensor : tensor + to_string(slice);
}

std::string format_manifest(const Manifest& manifest) {
  Json tensors = Json::array(), files = Json::object();
  for (const auto& tensor : manifest.tensors)
    tensors.push_back({{"name", tensor.name}, {"dtype", safetensors_name(tensor.dtype)}, {"shape", tensor.shape}, {"pieces", pieces_of(tensor)}});
  for (const auto& [name, file] : manifest.files) files[name] = {{"size", file.size}, {"header_xxh3", file.header_digest}};
  Json document{{"format", kFormat},         {"version", kVersion}, {"step", manifest.step},
                {"state", manifest.state}, {"tensors", tensors},  {"files", files}};
  document["sha256"] = digest_of(document);
  return document.dump(1) + "\n";
}

Manifest read_manifest(const std::filesystem::path& file) { return read_document(read_json(file), file.string(), /*is_part=*/false); }

Manifest read_manifest_part(const std::string& text, const std::string& name) { return read_document(parse_json(text, name), name, /*is_part=*/true); }

ManifestOutline outline_of_manifest(const std::filesystem::path& file) try {
  ManifestOutline outline;
  const Json document = std::filesystem::is_regular_file(file) ? read_json(file) : Json();
  if (!document.is_object()) return outline;
  outline.is_foreign = document.value("format", Json()) != kFormat;
  const Json files = document.value("files", Json());
  if (!files.is_object()) return outline;
  outline.files.emplace();
  for (const auto& [name, record] : files.items()) outline.files->insert(name);
  return outline;
} catch (const std::exception&) {
  return {};
}

}  // namespace ingot::checkpoint
