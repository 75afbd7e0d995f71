#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/files/raw_rows.h"
#include "data/sft/preprocess_sft.h"
#include "data/sft/record_handler.h"
#include "data/sft/sft_writer.h"
#include "data/shards/block_board.h"
#include "data/shards/piece_file.h"

namespace ingot::data {

/// What the reading thread hands to a worker: rows of a part.
struct ReadRows {
  bool ends_part = false;
  uint64_t bytes_read = 0;
  std::shared_ptr<const FilePart> part;
  std::vector<JsonRow> rows;
  std::optional<RenderedBatch::PartEnd> end;
  size_t memory() const;
};

/// What records are rendered with.
struct Rendering {
  const SftPreprocessOptions& options;
  const ChatTemplate& chat;
  const Tokenizer& tokenizer;
};

/// Records to labelled samples, as a stage of a BlockRun.
class SftStage {
 public:
  using In = ReadRows;
  using Out = RenderedBatch;
  /// `output` is null but for rank 0.
  SftStage(const Rendering& rendering, const std::vector<InputFile>& inputs, SftWriter* output);
  ReadRows read(const BlockPart* opened);
  RenderedBatch work(const ReadRows& batch) const;
  void begin(const Block& block) { output_->begin(block); }
  void write(const RenderedBatch& batch);
  static void pack(const RenderedBatch& batch, PieceWriter& piece);
  RenderedBatch unpack(PieceReader& piece) const;
  /// Throws ConfigError as MappedColumns does, of all records that were written.
  void refuse_absent_columns() const;

 private:
  void read_rows(ReadRows& batch);
  void render(const JsonRow& row, RenderedBatch& batch) const;
  Rendering rendering_;
  const std::vector<InputFile>& inputs_;
  SftWriter* output_;
  std::unique_ptr<RecordHandler> handler_;
  MappedColumns columns_;  // of all that was written
  uint64_t records_left_, bytes_before_ = 0;
  std::shared_ptr<const FilePart> part_;
  std::unique_ptr<JsonRowReader> reader_;
};

}  // namespace ingot::data
