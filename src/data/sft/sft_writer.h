#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/sft/mapped_columns.h"
#include "data/sft/render_sample.h"
#include "data/sft/sft_ledger.h"
#include "data/shards/part_place.h"

namespace ingot::data {

/// One sample of a record, kept or left out.
struct OriginatedSample {
  SampleOrigin origin;
  Sample sample;
};

/// What a worker made of some records, in their order.
struct RenderedBatch {
  uint64_t bytes_read = 0, records = 0, further_samples = 0;
  std::map<std::string, uint64_t> handlers, unused;
  MappedColumns columns;
  std::vector<OriginatedSample> samples;  // the rows of their origins are those of the part that they were read from
  struct PartEnd {
    uint64_t rows = 0;
    bool is_read = true;  // to its end
  };
  std::optional<PartEnd> end;
};

/// Takes rendered batches in order into shards, origins and ledger. Nothing appears before finish().
class SftWriter {
 public:
  SftWriter(const std::filesystem::path& prefix, SftLedger ledger, const Tokenizer& tokenizer, bool megatron_instruction_layout);
  void begin(const Block& block) { place_.begin(block); }
  void add(const RenderedBatch& batch);
  /// Throws DataError when no sample was kept.
  void finish();

 private:
  void keep(const Sample& sample, const SampleOrigin& origin);
  void keep_instruction(const Sample& sample);
  std::string nothing_kept() const;

  std::filesystem::path prefix_;
  SftLedger ledger_;
  PartPlace place_;
  IndexedDatasetWriter tokens_, loss_mask_, loss_weights_;
  HashedFile origins_;
  std::optional<TokenId> eos_id_;
  struct Instruction {
    IndexedDatasetWriter input_ids, attention_mask, labels;
  };
  std::unique_ptr<Instruction> instruction_;
};

}  // namespace ingot::data
