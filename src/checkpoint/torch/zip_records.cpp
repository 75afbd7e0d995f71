#include "checkpoint/torch/zip_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "checkpoint/byte_cursor.h"
#include "core/error.h"
#include "core/printable.h"

namespace ingot::checkpoint {
namespace {

// Source: PKWARE's APPNOTE.TXT, sections 4.3.7 to 4.3.16 and 4.5.3.
constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kLocator64 = 0x07064b50, kIn64 = 0xffffffff;
constexpr uint16_t kIn64Short = 0xffff, kExtra64 = 1, kStored = 0, kEncrypted = 1;
constexpr uint64_t kEndBytes = 22, kLocatorBytes = 20, kLongestComment = 0xffff, kMaxRecords = uint64_t{1} << 20;

struct Directory {
  uint64_t records = 0, size = 0, offset = 0;
};

struct Entry {
  std::string name;
  uint64_t local = 0;  // where its local header begins
  ZipRecord record;
};

/// The end record is the last one whose comment ends with the file.
uint64_t find_end(std::span<const std::byte> bytes, const std::string& file) {
  const uint64_t size = bytes.size(), first = size - std::min(size, kEndBytes + kLongestComment);
  for (uint64_t at = size - std::min(size, kEndBytes); at + kEndBytes <= size && at >= first; --at) {
    ByteCursor cursor(bytes.subspan(at), file);
    if (cursor.take<uint32_t>() == kEnd) {
      cursor.skip(16);
      if (at + kEndBytes + cursor.take<uint16_t>() == size) return at;
    }
    if (at == 0) break;
  }
  throw DataError(fmt::format("{}: a zip file without its directory at the end; it was cut off", file));
}

Directory read_end64(std::span<const std::byte> bytes, uint64_t end, const std::string& file) {
  ByteCursor locator(bytes.subspan(end - std::min(end, kLocatorBytes)), file);
  if (end < kLocatorBytes || locator.take<uint32_t>() != kLocator64)
    throw DataError(fmt::format("{}: a zip64 file without its locator", file));
  locator.skip(4);
  const auto at = locator.take<uint64_t>();
  if (at > end) throw DataError(fmt::format("{}: its zip64 directory is said to lie at byte {} of {}", file, at, end));
  ByteCursor cursor(bytes.subspan(at, end - at), file);
  if (cursor.take<uint32_t>() != kEnd64) cursor.fail("no zip64 directory where the locator says");
  cursor.skip(8 + 2 + 2 + 4 + 4 + 8);
  const auto records = cursor.take<uint64_t>(), size = cursor.take<uint64_t>(), offset = cursor.take<uint64_t>();
  return {records, size, offset};
}

Directory find_directory(std::span<const std::byte> bytes, const std::string& file) {
  const uint64_t end = find_end(bytes, file);
  ByteCursor cursor(bytes.subspan(end), file);
  cursor.skip(10);
  const auto records = cursor.take<uint16_t>();
  const auto size = cursor.take<uint32_t>(), offset = cursor.take<uint32_t>();
  const bool in64 = records == kIn64Short || size == kIn64 || offset == kIn64;
  const Directory found = in64 ? read_end64(bytes, end, file) : Directory{records, size, offset};
  const auto differs = [](uint64_t here, uint64_t there, uint64_t elsewhere) {
    return here != elsewhere && here != there;
  };
  if (differs(records, found.records, kIn64Short) || differs(size, found.size, kIn64) ||
      differs(offset, found.offset, kIn64) || found.records > kMaxRecords)
    throw DataError(fmt::format("{}: {} zip records by one count, {} by the other, wanted one count of at most {}",
                                file, records, found.records, kMaxRecords));
  if (found.offset > end || found.size > end - found.offset)
    throw DataError(fmt::format("{}: its directory of {} bytes at byte {} does not lie in the file of {}", file,
                                found.size, found.offset, bytes.size()));
  return found;
}

/// Sizes and place from the extra field, for those that are said to be there.
void read_extra64(std::string_view extra, Entry& entry, uint64_t& unpacked, const std::string& file) {
  ByteCursor cursor(std::as_bytes(std::span(extra)), file);
  while (cursor.position() + 4 <= extra.size()) {
    const auto id = cursor.take<uint16_t>(), length = cursor.take<uint16_t>();
    const auto field = cursor.take_view(length, "an extra field");
    if (id != kExtra64) continue;
    ByteCursor values(std::as_bytes(std::span(field)), file);
    for (uint64_t* value : {&unpacked, &entry.record.bytes.size, &entry.local})
      if (*value == kIn64) *value = values.take<uint64_t>();
    return;
  }
}

void check_name(const std::string& name, const ByteCursor& cursor) {
  const std::filesystem::path path(name);
  const bool climbs = std::any_of(path.begin(), path.end(), [](const auto& part) { return part == ".."; });
  if (name.empty() || path.is_absolute() || climbs || name.find_first_of(std::string("\\\0", 2)) != std::string::npos)
    cursor.fail(fmt::format("record name {} is no plain name", in_quotes(name)));
}

Entry take_entry(ByteCursor& cursor, const std::string& file) {
  if (cursor.take<uint32_t>() != kCentral) cursor.fail("no record where the zip directory should have one");
  cursor.skip(4);
  Entry entry;
  const auto flags = cursor.take<uint16_t>();
  entry.record.method = cursor.take<uint16_t>();
  cursor.skip(8);
  entry.record.bytes.size = cursor.take<uint32_t>();
  uint64_t unpacked = cursor.take<uint32_t>();
  const auto name_bytes = cursor.take<uint16_t>(), extra_bytes = cursor.take<uint16_t>(),
             comment = cursor.take<uint16_t>();
  cursor.skip(8);
  entry.local = cursor.take<uint32_t>();
  entry.name = cursor.take_view(name_bytes, "a record's name");
  check_name(entry.name, cursor);
  read_extra64(cursor.take_view(extra_bytes, "an extra field"), entry, unpacked, file);
  cursor.skip(comment);
  if ((flags & kEncrypted) != 0) cursor.fail(fmt::format("record {} is encrypted", in_quotes(entry.name)));
  if (entry.record.method == kStored && unpacked != entry.record.bytes.size)
    cursor.fail(fmt::format("record {} is stored, but of {} bytes and of {}", in_quotes(entry.name), unpacked,
                            entry.record.bytes.size));
  return entry;
}

/// The local header tells where the bytes begin: its extra field holds torch's padding, which the directory lacks.
void find_data(std::span<const std::byte> bytes, uint64_t directory, Entry& entry, const std::string& file) {
  const auto fail = [&](const char* problem) {
    throw DataError(fmt::format("{}: record {} {}", file, in_quotes(entry.name), problem));
  };
  if (entry.local > directory) fail("is said to begin after the directory");
  ByteCursor cursor(bytes.subspan(entry.local, directory - entry.local), file);
  if (cursor.take<uint32_t>() != kLocal) fail("has no header where the directory says");
  cursor.skip(4);
  if (cursor.take<uint16_t>() != entry.record.method) fail("is compressed otherwise by its own header");
  cursor.skip(16);
  const auto name_bytes = cursor.take<uint16_t>(), extra_bytes = cursor.take<uint16_t>();
  if (cursor.take_view(name_bytes, "a record's name") != entry.name) fail("has another name in its header");
  cursor.skip(extra_bytes);
  entry.record.bytes.offset = entry.local + cursor.position();
  if (entry.record.bytes.size > directory - entry.record.bytes.offset) fail("is larger than the file");
}

void check_apart(std::vector<Entry>& entries, const std::string& file) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.local < b.local; });
  for (size_t i = 1; i < entries.size(); ++i)
    if (entries[i - 1].record.bytes.offset + entries[i - 1].record.bytes.size > entries[i].local)
      throw DataError(fmt::format("{}: record {} overlaps record {}", file, in_quotes(entries[i].name),
                                  in_quotes(entries[i - 1].name)));
}

}  // namespace

std::map<std::string, ZipRecord> read_zip_records(std::span<const std::byte> bytes, const std::string& file) {
  const Directory directory = find_directory(bytes, file);
  ByteCursor cursor(bytes.subspan(directory.offset, directory.size), file);
  std::vector<Entry> entries;
  std::map<std::string, ZipRecord> records;
  for (uint64_t i = 0; i < directory.records; ++i) {
    entries.push_back(take_entry(cursor, file));
    find_data(bytes, directory.offset, entries.back(), file);
    if (!records.emplace(entries.back().name, entries.back().record).second)
      throw DataError(fmt::format("{}: record {} stands twice", file, in_quotes(entries.back().name)));
  }
  if (cursor.position() != directory.size) cursor.fail("the zip directory holds more than its number of records");
  check_apart(entries, file);
  return records;
}

}  // namespace ingot::checkpoint
