#include "checkpoint/torch/torch_contents.h"

#include <fmt/format.h>

#include <algorithm>

#include "checkpoint/byte_cursor.h"
#include "checkpoint/torch/pickle_reader.h"
#include "core/error.h"
#include "core/printable.h"

namespace ingot::checkpoint {
namespace {

using Bytes = std::span<const std::byte>;
using Kind = PickleItems::Kind;

// A pickle of tensors takes some hundred bytes a tensor; what follows 64 MiB is none.
constexpr uint64_t kLongestPickle = uint64_t{64} << 20;
constexpr std::string_view kLegacyMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);

Bytes part(Bytes bytes, uint64_t offset, uint64_t size) {
  const uint64_t begin = std::min<uint64_t>(offset, bytes.size());
  return bytes.subspan(begin, std::min(size, bytes.size() - begin));
}

std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// The folder in the zip that holds everything: "archive" or the name that the file once had.
std::string top_folder(const std::map<std::string, ZipRecord>& records, const std::string& file) {
  const std::string name = records.empty() ? "" : records.begin()->first;
  const std::string top = name.substr(0, name.find('/') + 1);
  for (const auto& [record, range] : records)
    if (top.empty() || !record.starts_with(top))
      throw DataError(fmt::format("{}: a zip file that torch.save did not write: record {} is in no common folder",
                                  file, in_quotes(record)));
  return top;
}

/// Refuses a program and records that cannot be read where they lie.
void check_records(const std::map<std::string, ZipRecord>& records, const std::string& top, const std::string& file) {
  for (const auto& [name, record] : records)
    if (name == top + "constants.pkl" || name.starts_with(top + "code/"))
      throw DataError(
          fmt::format("{}: a TorchScript archive, which is a program; save its state_dict() with torch.save", file));
  for (const auto& [name, record] : records)
    if (record.method != 0)
      throw DataError(fmt::format("{}: record {} is compressed (method {}), wanted stored as torch.save does", file,
                                  in_quotes(name), record.method));
}

void check_byte_order(std::string_view order, const std::string& file) {
  if (order != "little") throw DataError(fmt::format("{}: byte order {}, wanted \"little\"", file, in_quotes(order)));
}

TorchContents read_zip(Bytes bytes, const std::string& file) {
  const auto records = read_zip_records(bytes, file);
  const std::string top = top_folder(records, file);
  check_records(records, top, file);
  const auto bytes_of = [&](const ZipRecord& record) { return part(bytes, record.bytes.offset, record.bytes.size); };
  if (const auto order = records.find(top + "byteorder"); order != records.end())
    check_byte_order(text_of(bytes_of(order->second)), file);
  const auto pickle = records.find(top + "data.pkl");
  if (pickle == records.end())
    throw DataError(fmt::format("{}: a zip file without data.pkl, torch.save did not write it", file));
  if (const uint64_t size = pickle->second.bytes.size; size > kLongestPickle)
    throw DataError(fmt::format("{}: data.pkl of {} bytes, wanted at most {}", file, size, kLongestPickle));
  TorchContents contents;
  contents.object = read_pickle(bytes_of(pickle->second), file + ": data.pkl");
  const std::string data = top + "data/";
  for (auto record = records.lower_bound(data); record != records.end() && record->first.starts_with(data); ++record)
    contents.storages.emplace(record->first.substr(data.size()), record->second.bytes);
  return contents;
}

/// The next pickle of a legacy file.
PickleDocument next_pickle(Bytes bytes, uint64_t& position, const std::string& file) {
  auto document =
      read_pickle(part(bytes, position, kLongestPickle), fmt::format("{}: pickle at byte {}", file, position));
  position += document.size;
  return document;
}

void check_little_endian(const PickleDocument& system, const std::string& file) {
  const auto* items = items_of(system.containers, system.root, Kind::kDict);
  for (size_t i = 0; items && i < items->size(); i += 2) {
    const auto* key = std::get_if<std::string_view>(&(*items)[i]);
    const auto* value = std::get_if<bool>(&(*items)[i + 1]);
    if (key && *key == "little_endian" && value && *value) return;
  }
  throw DataError(fmt::format("{}: not written on a little-endian machine", file));
}

/// Element sizes and counts of the storages that the tensors name.
std::map<std::string_view, TorchStorage> named_storages(const PickleDocument& object, const std::string& file) {
  std::map<std::string_view, TorchStorage> named;
  for (const auto& tensor : object.tensors) {
    const auto known = named.emplace(tensor.storage.key, tensor.storage).first->second;
    if (known.dtype != tensor.storage.dtype || known.numel != tensor.storage.numel)
      throw DataError(fmt::format("{}: storage {} is of two kinds", file, in_quotes(tensor.storage.key)));
  }
  return named;
}

/// The bytes of one storage: a count of elements, then the elements.
ByteRange take_legacy_storage(Bytes bytes, uint64_t& position, const TorchStorage& storage, const std::string& file) {
  ByteCursor cursor(part(bytes, position, bytes.size()), file);
  const auto numel = cursor.take<int64_t>();
  uint64_t size = 0;
  if (numel != storage.numel || __builtin_mul_overflow(static_cast<uint64_t>(numel), size_of(storage.dtype), &size) ||
      size > bytes.size() - position - sizeof(numel))
    throw DataError(fmt::format("{}: storage {} of {} elements at byte {}, wanted {} and the file to hold them", file,
                                in_quotes(storage.key), numel, position, storage.numel));
  const ByteRange range{position + sizeof(numel), size};
  position = range.offset + size;
  return range;
}

TorchContents read_legacy(Bytes bytes, const std::string& file) {
  uint64_t position = 0;
  const auto magic = next_pickle(bytes, position, file);
  const auto* number = std::get_if<PickleLong>(&magic.root);
  if (!number || number->bytes != kLegacyMagic)
    throw DataError(fmt::format("{}: a pickle that torch.save did not write: wrong magic number", file));
  next_pickle(bytes, position, file);  // the protocol's version, 1001 in every file
  check_little_endian(next_pickle(bytes, position, file), file);
  TorchContents contents;
  contents.object = next_pickle(bytes, position, file);
  const auto list = next_pickle(bytes, position, file);
  const auto* keys = items_of(list.containers, list.root, Kind::kList);
  if (!keys) throw DataError(fmt::format("{}: no list of storages after the object", file));
  const auto named = named_storages(contents.object, file);
  for (const auto& item : *keys) {
    const auto* key = std::get_if<std::string_view>(&item);
    const auto storage = key ? named.find(*key) : named.end();
    if (storage == named.end()) throw DataError(fmt::format("{}: lists a storage that no tensor is in", file));
    const auto range = take_legacy_storage(bytes, position, storage->second, file);
    if (!contents.storages.emplace(std::string(*key), range).second)
      throw DataError(fmt::format("{}: storage {} stands twice", file, in_quotes(*key)));
  }
  return contents;
}

}  // namespace

TorchContents read_torch_contents(Bytes bytes, const std::string& file) {
  const std::string_view start = text_of(part(bytes, 0, 512));
  if (start.starts_with("PK\x03\x04")) return read_zip(bytes, file);
  if (start.starts_with('\x80')) return read_legacy(bytes, file);
  const std::string_view word = start.substr(std::min(start.find_first_not_of(" \t\r\n\xef\xbb\xbf"), start.size()));
  const auto refuse = [&](std::string_view what) { throw DataError(fmt::format("{}: {}", file, what)); };
  if (word.starts_with('<')) refuse("an HTML or XML page, not weights: the download went wrong");
  if (start.substr(std::min<size_t>(257, start.size())).starts_with("ustar"))
    refuse("a tar file, the form of torch before 0.2, which is not read");
  if (start.starts_with("version https://git-lfs")) refuse("a pointer of git-lfs, not the weights: run git lfs pull");
  if (start.empty()) refuse("an empty file");
  throw DataError(fmt::format("{}: begins with {}, wanted a file of torch.save", file, in_quotes(start.substr(0, 8))));
}

}  // namespace ingot::checkpoint
