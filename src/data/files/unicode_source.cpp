#include "data/files/unicode_source.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

namespace ingot::data {
namespace {

constexpr size_t kBlock = size_t{64} << 10, kMarkBytes = kEncodingBytes;

/// Code units of 2 or 4 bytes.
struct Encoding {
  size_t width;
  bool big_endian;
};

std::optional<Encoding> encoding_of(std::string_view start) {
  const auto is = [&](std::initializer_list<int> bytes) {  // -1: any but zero
    size_t i = 0;
    return start.size() >= bytes.size() && std::all_of(bytes.begin(), bytes.end(), [&](int wanted) {
             const int found = static_cast<unsigned char>(start[i++]);
             return wanted < 0 ? found != 0 : found == wanted;
           });
  };
  if (is({0xFF, 0xFE, 0, 0}) || is({-1, 0, 0, 0})) return Encoding{4, false};
  if (is({0, 0, 0xFE, 0xFF}) || is({0, 0, 0, -1})) return Encoding{4, true};
  if (is({0xFF, 0xFE}) || is({-1, 0, -1, 0})) return Encoding{2, false};
  if (is({0xFE, 0xFF}) || is({0, -1, 0, -1})) return Encoding{2, true};
  return std::nullopt;
}

void append_utf8(uint32_t code, std::string& out) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) out += static_cast<char>(code);
  else if (code < 0x800) out += static_cast<char>(0xC0 | code >> 6), tail(0);
  else if (code < 0x10000) out += static_cast<char>(0xE0 | code >> 12), tail(6), tail(0);
  else if (code < 0x110000) out += static_cast<char>(0xF0 | code >> 18), tail(12), tail(6), tail(0);
  else out += '\xFF';  // never in UTF-8
}

bool is_high(uint32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low(uint32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }

class Utf8Source : public ByteSource {
 public:
  explicit Utf8Source(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {
    while (text_.size() < kMarkBytes && fill(text_)) {
    }
    encoding_ = encoding_of(text_);
    if (encoding_) std::swap(text_, raw_);
  }

  size_t read(char* to, size_t size) override {
    while (given_ == text_.size()) {
      if (!encoding_) return source_->read(to, size);
      text_.clear();
      given_ = 0;
      if (!decode()) return 0;
    }
    const size_t count = std::min(size, text_.size() - given_);
    std::memcpy(to, text_.data() + given_, count);
    given_ += count;
    return count;
  }
  uint64_t bytes_read() const override { return source_->bytes_read(); }

 private:
  bool fill(std::string& buffer) {
    const size_t before = buffer.size();
    buffer.resize(before + kBlock);
    const size_t got = source_->read(buffer.data() + before, kBlock);
    buffer.resize(before + got);
    return got > 0;
  }

  /// Takes the units that are there; false at the end of the source.
  bool decode() {
    const bool more = raw_.size() >= 2 * kMarkBytes || fill(raw_);
    size_t at = 0;
    for (; raw_.size() - at >= encoding_->width; at += encoding_->width) add(unit_at(at));
    raw_.erase(0, at);
    if (more) return true;
    if (!raw_.empty() || high_) text_ += '\xFF';  // half a unit, half a pair
    raw_.clear();
    high_.reset();
    return !text_.empty();
  }
  uint32_t unit_at(size_t at) const {
    uint32_t unit = 0;
    for (size_t i = 0; i < encoding_->width; ++i) {
      const size_t place = encoding_->big_endian ? i : encoding_->width - 1 - i;
      unit = unit << 8 | static_cast<unsigned char>(raw_[at + place]);
    }
    return unit;
  }
  void add(uint32_t unit) {
    const auto high = std::exchange(high_, std::nullopt);
    if (high && is_low(unit)) return append_utf8(0x10000 + ((*high - 0xD800) << 10) + (unit - 0xDC00), text_);
    if (high) append_utf8(*high, text_);
    if (encoding_->width == 2 && is_high(unit)) high_ = unit;
    else append_utf8(unit, text_);
  }

  std::unique_ptr<ByteSource> source_;
  std::optional<Encoding> encoding_;
  std::string raw_, text_;  // bytes not yet decoded; UTF-8 not yet given out
  size_t given_ = 0;
  std::optional<uint32_t> high_;  // first half of a surrogate pair
};

}  // namespace

bool is_wide(std::string_view start) { return encoding_of(start.substr(0, kMarkBytes)).has_value(); }

std::unique_ptr<ByteSource> as_utf8(std::unique_ptr<ByteSource> source) { return std::make_unique<Utf8Source>(std::move(source)); }

}  // namespace ingot::data
