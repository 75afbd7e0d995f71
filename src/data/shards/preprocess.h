#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/files/column_counts.h"
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
  int num_workers = 0;                        // 0 = all cores
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
/// sha256 of .bin and .idx. Finished work with an equal key is recognised and not redone. Stops cleanly, leaving
/// nothing, when core/stop.h asks. Throws DataError on a damaged input or when no document is left.
std::vector<PreprocessReport> preprocess_pretrain(const PreprocessOptions& options, const Tokenizer& tokenizer);

}  // namespace ingot::data
