#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/files/record_reader.h"
#include "data/shards/block_board.h"
#include "data/shards/piece_file.h"
#include "data/shards/preprocess.h"

namespace ingot::data {

/// What stands behind the last record of a part.
struct PartEnd {
  uint64_t rows = 0;  // of the part, as its records count them
  ColumnFound found;
  ColumnCounts unused;
};

/// What the reading thread hands to a worker.
struct TextRecords {
  bool ends_part = false;
  uint64_t bytes_read = 0;
  std::vector<TextRecord> records;
  std::optional<PartEnd> end;
  size_t memory() const;
};

/// What a worker hands to the writer.
struct EncodedRecords {
  uint64_t bytes_read = 0, num_records = 0;
  std::vector<TokenId> tokens;    // documents one after another
  std::vector<uint64_t> lengths;  // of the documents
  std::vector<TextRecord> skipped;  // row and problem
  std::optional<PartEnd> end;
};

class PretrainOutput;

/// Texts of one column to tokens, as a stage of a BlockRun.
class PretrainStage {
 public:
  using In = TextRecords;
  using Out = EncodedRecords;
  /// `output` is null but for rank 0.
  PretrainStage(const PreprocessOptions& options, const std::string& column, const InputFiles& inputs, const Tokenizer& tokenizer,
                PretrainOutput* output)
      : options_(options), column_(column), inputs_(inputs), tokenizer_(tokenizer), output_(output) {}
  TextRecords read(const BlockPart* opened);
  EncodedRecords work(TextRecords batch) const;
  void begin(const Block& block);
  void write(const EncodedRecords& batch);
  static void pack(const EncodedRecords& batch, PieceWriter& piece);
  static EncodedRecords unpack(PieceReader& piece);

 private:
  const PreprocessOptions& options_;
  std::string column_;
  const InputFiles& inputs_;
  const Tokenizer& tokenizer_;
  PretrainOutput* output_;
  std::unique_ptr<TextReader> reader_;
  uint64_t bytes_before_ = 0;
};

}  // namespace ingot::data
