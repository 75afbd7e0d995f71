#include "data/shards/piece_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <utility>

#include "core/error.h"
#include "core/failure.h"
#include "core/lease.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

constexpr size_t kBuffer = size_t{1} << 20, kDigestDigits = 16;

}  // namespace

PieceWriter::PieceWriter(const fs::path& piece, std::string_view heading)
    : path_(piece), partial_(piece.parent_path() / fmt::format(".{}.{:08x}.partial", piece.filename().string(), std::random_device()())) {
  descriptor_ = ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor_ < 0) {
    const int number = errno;
    throw_refused(number, fmt::format("{}: cannot be created: {}", path_.string(), std::strerror(number)));
  }
  add(heading);
}

PieceWriter::~PieceWriter() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(partial_.c_str());
}

void PieceWriter::append(const void* data, size_t size) {
  const std::string_view bytes(static_cast<const char*>(data), size);
  if (buffer_.size() + size >= kBuffer) flush();
  if (size >= kBuffer) write(bytes);
  else buffer_ += bytes;
}

void PieceWriter::flush() {
  write(buffer_);
  buffer_.clear();
}

void PieceWriter::write(std::string_view bytes) {
  digest_.add(std::as_bytes(std::span(bytes)));
  for (std::string_view left = bytes; !left.empty();) {
    const ssize_t written = ::write(descriptor_, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw CommError(fmt::format("{}: cannot be written: {}", path_.string(), std::strerror(errno)));
    left.remove_prefix(static_cast<size_t>(written));
  }
}

void PieceWriter::add(std::string_view text) {
  add(text.size());
  append(text.data(), text.size());
}

void PieceWriter::add(const std::map<std::string, uint64_t>& counts) {
  add(counts.size());
  for (const auto& [name, count] : counts) add(std::string_view(name)), add(count);
}

void PieceWriter::add_ids(const std::vector<TokenId>& ids) {
  uint32_t bits = 0;
  for (const TokenId id : ids) bits |= static_cast<uint32_t>(id);
  const bool narrow = bits <= std::numeric_limits<uint16_t>::max();
  add(static_cast<uint8_t>(narrow));
  if (!narrow) return add(ids);
  narrow_.assign(ids.begin(), ids.end());
  add(narrow_);
}

void PieceWriter::commit() {
  flush();
  write(digest_.hex());
  check_leases(path_);
  const int failed = ::close(std::exchange(descriptor_, -1)) != 0 ? errno : 0;  // a full disk over a network is told of here
  if (failed == 0 && ::rename(partial_.c_str(), path_.c_str()) == 0) return;
  const std::string why = std::strerror(failed != 0 ? failed : errno);
  ::unlink(partial_.c_str());
  throw CommError(fmt::format("{}: cannot be put in place: {}", path_.string(), why));
}

PieceReader::PieceReader(const fs::path& piece, std::string_view heading) : file_(piece) {
  const auto bytes = file_.bytes();
  if (bytes.size() < kDigestDigits) refuse("is cut short");
  end_ = bytes.size() - kDigestDigits;
  ContentDigest digest;
  for (uint64_t at = 0; at < end_; at += kBuffer) {
    digest.add(bytes.subspan(at, std::min<uint64_t>(kBuffer, end_ - at)));
    file_.release(at, kBuffer);
  }
  if (std::memcmp(digest.hex().data(), bytes.data() + end_, kDigestDigits) != 0) refuse("its bytes are not those that were written");
  if (get_text() != heading) refuse("is of other work");
}

uint64_t PieceReader::checked(uint64_t count, size_t width) const {
  if (count > (end_ - at_) / width) refuse("ends early");
  return count;
}

void PieceReader::take(void* to, uint64_t count, size_t width) {
  const uint64_t size = checked(count, width) * width;
  if (size > 0) std::memcpy(to, file_.bytes().data() + at_, size);
  at_ += size;
  if (at_ - released_ < kBuffer) return;
  file_.release(released_, at_ - released_);
  released_ = at_;
}

std::string PieceReader::get_text() {
  std::string text(checked(get<uint64_t>(), 1), '\0');
  take(text.data(), text.size(), 1);
  return text;
}

std::map<std::string, uint64_t> PieceReader::get_counts() {
  std::map<std::string, uint64_t> counts;
  for (uint64_t left = get<uint64_t>(); left > 0; --left) {
    std::string name = get_text();
    counts[std::move(name)] = get<uint64_t>();
  }
  return counts;
}

std::vector<TokenId> PieceReader::get_ids() {
  if (get<uint8_t>() == 0) return get_all<TokenId>();
  const auto narrow = get_all<uint16_t>();
  return {narrow.begin(), narrow.end()};
}

void PieceReader::refuse(const std::string& why) const { throw DataError(fmt::format("{}: {}", file_.path().string(), why)); }

}  // namespace ingot::data
