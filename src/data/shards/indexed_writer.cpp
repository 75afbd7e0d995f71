#include "data/shards/indexed_dataset.h"

#include <fmt/format.h>

#include <limits>

#include "core/error.h"
#include "data/shards/file_digest.h"
#include "data/shards/indexed_layout.h"

namespace ingot::data {
namespace fs = std::filesystem;
struct IndexedDatasetWriter::State {
  State(const fs::path& prefix_path, StoredNumbers stored)
      : prefix(prefix_path), numbers(stored), bin(bin_path(prefix_path)), idx(idx_path(prefix_path)) {}

  void write_index() {
    idx.write(kIndexMagic.data(), kIndexMagic.size());
    idx.write_value(kIndexVersion);
    idx.write_value(code());
    idx.write_value<uint64_t>(lengths.size());
    idx.write_value<uint64_t>(lengths.size() + 1);
    idx.write(lengths.data(), lengths.size() * sizeof(int32_t));
    int64_t offset = 0;
    for (const int32_t length : lengths) {
      idx.write_value(offset);
      offset += length * width();
    }
    for (int64_t document = 0; document <= static_cast<int64_t>(lengths.size()); ++document) idx.write_value(document);
  }

  uint8_t code() const {
    if (numbers.type == StoredNumbers::Type::kU8) return kCodeU8;
    return numbers.type == StoredNumbers::Type::kU16 ? kCodeU16 : kCodeI32;
  }
  int64_t width() const {
    if (numbers.type == StoredNumbers::Type::kU8) return sizeof(uint8_t);
    return numbers.type == StoredNumbers::Type::kU16 ? sizeof(uint16_t) : sizeof(int32_t);
  }
  template <class Stored>
  void write_narrowed(std::span<const TokenId> tokens) {
    const std::vector<Stored> narrowed(tokens.begin(), tokens.end());
    bin.write(narrowed.data(), narrowed.size() * sizeof(Stored));
  }

  fs::path prefix;
  StoredNumbers numbers;
  HashedFile bin, idx;
  std::vector<int32_t> lengths;
};

StoredNumbers StoredNumbers::ids(int64_t vocab_size) {
  return {vocab_size < kNarrowVocabulary ? Type::kU16 : Type::kI32, 0, vocab_size - 1};
}

IndexedDatasetWriter::IndexedDatasetWriter(const fs::path& prefix, StoredNumbers numbers)
    : state_(std::make_unique<State>(prefix, numbers)) {}
IndexedDatasetWriter::~IndexedDatasetWriter() = default;

void IndexedDatasetWriter::add_document(std::span<const TokenId> tokens) {
  State& state = *state_;
  if (tokens.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max()))
    throw DataError(fmt::format("{}: a document of {} tokens, the format holds less than 2^31", state.prefix.string(),
                                tokens.size()));
  for (const TokenId token : tokens)
    if (token < state.numbers.lowest || token > state.numbers.highest)
      throw DataError(fmt::format("{}: token id {}, wanted {} to {}", state.prefix.string(), token, state.numbers.lowest,
                                  state.numbers.highest));
  switch (state.numbers.type) {
    case StoredNumbers::Type::kU8: state.write_narrowed<uint8_t>(tokens); break;
    case StoredNumbers::Type::kU16: state.write_narrowed<uint16_t>(tokens); break;
    case StoredNumbers::Type::kI32: state.bin.write(tokens.data(), tokens.size_bytes()); break;
  }
  state.lengths.push_back(static_cast<int32_t>(tokens.size()));
}

IndexedDatasetWriter::Digests IndexedDatasetWriter::finish() {
  state_->write_index();
  std::error_code absent;
  fs::remove(idx_path(state_->prefix), absent);
  sync_folder(state_->prefix.parent_path());
  Digests digests;
  digests.bin = state_->bin.commit();
  digests.idx = state_->idx.commit();
  return digests;
}

}  // namespace ingot::data
