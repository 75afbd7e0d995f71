#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/files/column_counts.h"
#include "data/shards/job_rank.h"
#include "data/tokenizer/tokenizer.h"

namespace ingot::data {

struct PreprocessOptions {
  std::vector<std::filesystem::path> inputs;  // files or folders
  std::vector<std::string> json_keys = {"text"};  // text columns; each gives one output PREFIX_KEY_document
  std::filesystem::path output_prefix;        // PREFIX_KEY_document.{bin,idx,ledger.json}
  std::filesystem::path found_prefix;         // the same of finished work to use again; empty: output_prefix
  bool append_eod = true;                     // end-of-document id behind every document
  TokenId eod_id = 0;
  std::string tokenizer_identity;             // sha256 over the tokenizer's files; part of what makes work "the same"
  int num_workers = 0;                        // threads of this rank; 0: all cores, or this rank's share
  uint64_t block_bytes = 0;                   // see plan_blocks; 0: as it chooses
  JobRank rank;                               // that calls; every rank of a job does, with the same options
};

/// Where every record of one output went; the sums are checked before it is written.
struct PreprocessReport {
  std::filesystem::path prefix;   // without .bin
  uint64_t records = 0, documents = 0, tokens = 0;
  std::vector<uint64_t> documents_of_sets;  // documents of each of the inputs, in their order
  std::map<std::string, uint64_t> skipped;  // reason to number of records
  ColumnCounts unused;            // columns that training does not use
  std::string bin_sha256;         // of the tokens, in hexadecimal
  bool reused = false;            // an earlier identical run's output was found whole
};

/// Raw files to Megatron shards with a ledger beside them: PREFIX_KEY_document.ledger.json holds inputs (path, bytes,
/// mtime or sha256), tokenizer identity, options, counts, reasons with the first row numbers of each, and the
/// sha256 of .bin and .idx. Finished work with an equal key is recognised and not redone. Large inputs are cut into blocks that
/// the ranks share over the output's folder (block_board.h): whatever their number, the files are the same. Stops cleanly when
/// core/stop.h asks; the next call goes on behind the blocks that were made. Throws DataError on a damaged input or when no
/// document is left. Ranks other than 0 return no reports, as soon as every block is made.
std::vector<PreprocessReport> preprocess_pretrain(const PreprocessOptions& options, const Tokenizer& tokenizer);

}  // namespace ingot::data
