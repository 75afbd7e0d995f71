#include "data/shards/indexed_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/error.h"
#include "data/shards/indexed_layout.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

/// Bytes of a token of that type code; 0 when it is not an integer type.
uint64_t token_bytes(uint8_t code) {
  switch (code) {
    case kCodeU8:
    case kCodeI8: return 1;
    case kCodeI16:
    case kCodeU16: return 2;
    case kCodeI32: return 4;
    case kCodeI64: return 8;
    default: return 0;
  }
}

template <class Value>
Value load(const std::byte* from) {
  Value value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

template <class Stored>
void widen(const std::byte* from, std::vector<TokenId>& to) {
  for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<TokenId>(load<Stored>(from + i * sizeof(Stored)));
}

}  // namespace

struct IndexedDataset::State {
  explicit State(const fs::path& prefix) : bin(bin_path(prefix)), idx(idx_path(prefix)) {
    read_header();
    check_sequences();
    check_documents();
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(fmt::format("{}: {}", idx.path().string(), what));
  }
  void expect(bool holds, const char* field, uint64_t found, const std::string& wanted) const {
    if (!holds) fail(fmt::format("{} is {}, wanted {}", field, found, wanted));
  }

  void read_header() {
    const uint64_t size = idx.bytes().size();
    const std::byte* at = idx.bytes().data();
    expect(size >= kIndexHeaderBytes, "size", size, "at least 34 bytes");
    if (std::memcmp(at, kIndexMagic.data(), kIndexMagic.size()) != 0) fail("does not start with MMIDIDX");
    const auto version = load<uint64_t>(at + 9);
    code = load<uint8_t>(at + 17);
    num_sequences = load<uint64_t>(at + 18);
    num_borders = load<uint64_t>(at + 26);
    expect(version == kIndexVersion, "version", version, "1");
    expect(token_bytes(code) > 0, "token type code", code, "1, 2, 3, 4, 5 or 8");
    expect(num_sequences <= size / 12, "number of sequences", num_sequences, fmt::format("what {} bytes hold", size));
    expect(num_borders >= 1 && num_borders <= size / 8, "number of document borders", num_borders,
           fmt::format("1 or more, what {} bytes hold", size));
    const uint64_t wanted = kIndexHeaderBytes + 12 * num_sequences + 8 * num_borders;
    expect(size == wanted || size == wanted + num_sequences, "size", size, fmt::format("{} bytes", wanted));
    lengths = at + kIndexHeaderBytes;
    offsets = lengths + 4 * num_sequences;
    borders = offsets + 8 * num_sequences;
  }

  void check_sequences() {
    const uint64_t width = token_bytes(code), bin_size = bin.bytes().size();
    uint64_t end = 0;  // bytes of the .bin that the sequences so far fill
    for (uint64_t i = 0; i < num_sequences; ++i) {
      const auto length = load<int32_t>(lengths + 4 * i);
      const auto offset = load<int64_t>(offsets + 8 * i);
      if (length < 0) fail(fmt::format("length of sequence {} is {}, wanted 0 or more", i, length));
      if (offset < 0 || static_cast<uint64_t>(offset) != end)
        fail(fmt::format("offset of sequence {} is {}, wanted {}", i, offset, end));
      end += static_cast<uint64_t>(length) * width;
      if (end > bin_size)
        fail(fmt::format("sequence {} ends at byte {}, {} has {}", i, end, bin.path().string(), bin_size));
    }
    if (end != bin_size)
      fail(fmt::format("its sequences hold {} bytes, {} has {}", end, bin.path().string(), bin_size));
    num_tokens = end / width;
  }

  void check_documents() const {
    uint64_t before = 0;
    for (uint64_t i = 0; i < num_borders; ++i) {
      const uint64_t border = document_border(i);
      if (border < before || border > num_sequences || (i == 0 && border != 0))
        fail(fmt::format("document border {} is {}, wanted {} to {}", i, border, before, i == 0 ? 0 : num_sequences));
      before = border;
    }
    expect(before == num_sequences, "last document border", before, fmt::format("{}", num_sequences));
  }

  uint64_t document_border(uint64_t i) const { return load<uint64_t>(borders + 8 * i); }
  /// Stream position where a sequence starts; the end of the stream for num_sequences.
  uint64_t sequence_start(uint64_t i) const {
    return i == num_sequences ? num_tokens : load<uint64_t>(offsets + 8 * i) / token_bytes(code);
  }
  uint64_t document_start(uint64_t i) const { return sequence_start(document_border(i)); }

  std::vector<TokenId> read(uint64_t begin, uint64_t length) const {
    std::vector<TokenId> tokens(length);
    const std::byte* from = bin.bytes().data() + begin * token_bytes(code);
    switch (code) {
      case kCodeU8: widen<uint8_t>(from, tokens); break;
      case kCodeI8: widen<int8_t>(from, tokens); break;
      case kCodeI16: widen<int16_t>(from, tokens); break;
      case kCodeU16: widen<uint16_t>(from, tokens); break;
      case kCodeI64: read_wide(from, tokens); break;
      default: widen<int32_t>(from, tokens);
    }
    return tokens;
  }
  void read_wide(const std::byte* from, std::vector<TokenId>& tokens) const {
    for (size_t i = 0; i < tokens.size(); ++i) {
      const auto token = load<int64_t>(from + 8 * i);
      if (token != static_cast<TokenId>(token))
        throw DataError(fmt::format("{}: token {} does not fit 32 bits", bin.path().string(), token));
      tokens[i] = static_cast<TokenId>(token);
    }
  }

  MappedFile bin, idx;
  uint8_t code = 0;
  uint64_t num_sequences = 0, num_borders = 0, num_tokens = 0;
  const std::byte *lengths = nullptr, *offsets = nullptr, *borders = nullptr;
};

IndexedDataset::IndexedDataset(const fs::path& prefix) : state_(std::make_unique<State>(prefix)) {}
IndexedDataset::~IndexedDataset() = default;

uint64_t IndexedDataset::num_sequences() const { return state_->num_sequences; }
uint64_t IndexedDataset::num_documents() const { return state_->num_borders - 1; }
uint64_t IndexedDataset::num_tokens() const { return state_->num_tokens; }

std::vector<TokenId> IndexedDataset::sequence(uint64_t index) const {
  if (index >= state_->num_sequences)
    state_->fail(fmt::format("sequence {} asked for, it has {}", index, state_->num_sequences));
  const uint64_t begin = state_->sequence_start(index);
  return state_->read(begin, state_->sequence_start(index + 1) - begin);
}

uint64_t IndexedDataset::sequence_length(uint64_t index) const {
  if (index >= state_->num_sequences)
    state_->fail(fmt::format("sequence {} asked for, it has {}", index, state_->num_sequences));
  return load<uint32_t>(state_->lengths + 4 * index);
}

std::vector<TokenId> IndexedDataset::tokens(uint64_t begin, uint64_t length) const {
  begin = std::min(begin, state_->num_tokens);
  return state_->read(begin, std::min(length, state_->num_tokens - begin));
}

uint64_t IndexedDataset::document_start(uint64_t index) const {
  if (index >= state_->num_borders)
    state_->fail(fmt::format("document {} asked for, it has {}", index, num_documents()));
  return state_->document_start(index);
}

uint64_t IndexedDataset::document_of(uint64_t token) const {
  if (token >= state_->num_tokens)
    state_->fail(fmt::format("token {} asked for, it has {}", token, state_->num_tokens));
  uint64_t low = 0, high = num_documents();  // start(low) <= token < start(high)
  while (high - low > 1) {
    const uint64_t middle = low + (high - low) / 2;
    (state_->document_start(middle) <= token ? low : high) = middle;
  }
  return low;
}

}  // namespace ingot::data
