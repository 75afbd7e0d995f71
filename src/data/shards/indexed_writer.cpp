#include "data/shards/indexed_dataset.h"

#include <fmt/format.h>

#include <limits>

#include "core/error.h"
#include "core/sha256.h"
#include "data/shards/indexed_layout.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

/// An atomic file with the sha256 of what is written.
class HashedFile {
 public:
  explicit HashedFile(const fs::path& file) : file_(file) {}
  void write(const void* data, size_t size) {
    file_.write(data, size);
    hash_.add(data, size);
  }
  template <class Value>
  void write_value(Value value) {
    write(&value, sizeof(value));
  }
  FileDigest commit() {
    file_.commit();
    return {file_.size(), hash_.hex()};
  }

 private:
  AtomicFile file_;
  Sha256 hash_;
};

}  // namespace

struct IndexedDatasetWriter::State {
  State(const fs::path& prefix_path, int64_t vocab)
      : prefix(prefix_path), vocab_size(vocab), narrow(vocab < kNarrowVocabulary), bin(bin_path(prefix_path)),
        idx(idx_path(prefix_path)) {}

  void write_index() {
    const int64_t token_bytes = narrow ? sizeof(uint16_t) : sizeof(int32_t);
    idx.write(kIndexMagic.data(), kIndexMagic.size());
    idx.write_value(kIndexVersion);
    idx.write_value(narrow ? kCodeU16 : kCodeI32);
    idx.write_value<uint64_t>(lengths.size());
    idx.write_value<uint64_t>(lengths.size() + 1);
    idx.write(lengths.data(), lengths.size() * sizeof(int32_t));
    int64_t offset = 0;
    for (const int32_t length : lengths) {
      idx.write_value(offset);
      offset += length * token_bytes;
    }
    for (int64_t document = 0; document <= static_cast<int64_t>(lengths.size()); ++document) idx.write_value(document);
  }

  fs::path prefix;
  int64_t vocab_size;
  bool narrow;  // u16 tokens
  HashedFile bin, idx;
  std::vector<int32_t> lengths;
  std::vector<uint16_t> narrowed;
};

IndexedDatasetWriter::IndexedDatasetWriter(const fs::path& prefix, int64_t vocab_size)
    : state_(std::make_unique<State>(prefix, vocab_size)) {}
IndexedDatasetWriter::~IndexedDatasetWriter() = default;

void IndexedDatasetWriter::add_document(std::span<const TokenId> tokens) {
  State& state = *state_;
  if (tokens.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max()))
    throw DataError(fmt::format("{}: a document of {} tokens, the format holds less than 2^31", state.prefix.string(),
                                tokens.size()));
  for (const TokenId token : tokens)
    if (token < 0 || token >= state.vocab_size)
      throw DataError(
          fmt::format("{}: token id {}, wanted 0 to {}", state.prefix.string(), token, state.vocab_size - 1));
  if (state.narrow) {
    state.narrowed.assign(tokens.begin(), tokens.end());
    state.bin.write(state.narrowed.data(), state.narrowed.size() * sizeof(uint16_t));
  } else {
    state.bin.write(tokens.data(), tokens.size_bytes());
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
