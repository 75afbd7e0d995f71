#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/file.h"
#include "data/shards/file_digest.h"
#include "data/tokenizer/tokenizer.h"

namespace ingot::data {

/// How the numbers of an indexed dataset are stored, and which ones it may hold.
struct StoredNumbers {
  enum class Type { kU8, kU16, kI32 } type = Type::kI32;
  int64_t lowest = 0, highest = 0;
  /// Ids of a vocabulary: u16 when its size is below 65500, else i32, as Megatron stores them.
  static StoredNumbers ids(int64_t vocab_size);
};

/// Writes Megatron's PREFIX.bin and PREFIX.idx. Source: FORMATS §4, Megatron core indexed_dataset.py.
/// Nothing appears under the final names before finish().
class IndexedDatasetWriter {
 public:
  IndexedDatasetWriter(const std::filesystem::path& prefix, StoredNumbers numbers);
  IndexedDatasetWriter(const std::filesystem::path& prefix, int64_t vocab_size)
      : IndexedDatasetWriter(prefix, StoredNumbers::ids(vocab_size)) {}
  ~IndexedDatasetWriter();
  /// Appends one document of one sequence. Throws DataError on a number outside lowest to highest.
  void add_document(std::span<const TokenId> tokens);
  struct Digests {
    FileDigest bin, idx;
  };
  /// Takes an older .idx away, then puts the .bin, then the .idx in place: no .idx ever stands beside a foreign .bin.
  Digests finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Maps PREFIX.bin and PREFIX.idx of any integer token type. Every length and offset is checked when opened: sequences
/// must follow each other and fill the .bin, as Megatron writes them. Throws DataError.
class IndexedDataset {
 public:
  explicit IndexedDataset(const std::filesystem::path& prefix);
  ~IndexedDataset();
  uint64_t num_sequences() const;
  uint64_t num_documents() const;
  uint64_t num_tokens() const;
  std::vector<TokenId> sequence(uint64_t index) const;
  /// Tokens of that sequence.
  uint64_t sequence_length(uint64_t index) const;
  /// Tokens [begin, begin + length) of the whole stream; length is clipped at the end.
  std::vector<TokenId> tokens(uint64_t begin, uint64_t length) const;
  /// Position in the stream where document `index` starts; index == num_documents() gives the end.
  uint64_t document_start(uint64_t index) const;
  /// The document that holds stream position `token`.
  uint64_t document_of(uint64_t token) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ingot::data
