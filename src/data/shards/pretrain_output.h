#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/shards/blocks.h"
#include "data/shards/indexed_dataset.h"
#include "data/shards/ledger.h"
#include "data/shards/part_place.h"
#include "data/shards/pretrain_stage.h"

namespace ingot::data {

/// Takes encoded records in order into the shards and the ledger.
class PretrainOutput {
 public:
  PretrainOutput(const std::filesystem::path& prefix, const std::string& column, const InputFiles& inputs, Json work, int64_t vocab_size);
  void begin(const Block& block) { place_.begin(block); }
  void add(const EncodedRecords& batch);
  /// Names what the records carry beside the texts of `json_keys`. Throws DataError when there is no document.
  PreprocessReport finish(const std::vector<std::string>& json_keys);

 private:
  void end_part(const PartEnd& end);
  std::string no_document() const;

  std::filesystem::path prefix_;
  std::string column_;
  const std::vector<InputFile>& inputs_;
  std::vector<size_t> set_of_file_;
  PartPlace place_;
  ColumnFound found_;  // of the file
  ColumnCounts unused_;
  IndexedDatasetWriter writer_;
  Ledger ledger_;
};

}  // namespace ingot::data
