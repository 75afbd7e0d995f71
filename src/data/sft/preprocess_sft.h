#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/chat/chat_template.h"
#include "data/sft/map_keys.h"
#include "data/sft/render_sample.h"
#include "data/shards/job_rank.h"

namespace ingot::data {

struct SftPreprocessOptions {
  std::vector<std::filesystem::path> inputs;  // files or folders, one data set
  std::filesystem::path output_prefix;
  std::filesystem::path found_prefix;  // of finished work to use again; empty: output_prefix
  std::string handler_name = "auto";
  MapKeys map_keys;
  std::vector<std::string> ignore_fields;  // see make_record_handler
  SampleOptions sample;
  uint64_t max_samples = 0;  // records read at most; 0: all
  bool megatron_instruction_layout = false;
  std::string tokenizer_identity, template_identity;  // part of what makes work "the same"
  std::string model, chat_template;  // told in the ledger, so that inspect finds them: a folder, and a name or file
  int num_workers = 0;       // threads of this rank; 0: all cores, or this rank's share
  uint64_t block_bytes = 0;  // see plan_blocks; 0: as it chooses
  JobRank rank;              // that calls; every rank of a job does, with the same options
};

/// What became of one data set; everything else stands in its ledger.
struct SftReport {
  std::filesystem::path prefix;
  uint64_t records = 0, samples = 0, tokens = 0, labels = 0, cut_samples = 0, cut_tokens = 0;
  std::map<std::string, uint64_t> skipped;  // reason to number of samples
  std::map<std::string, uint64_t> unused;   // column that training does not use to number of records
  std::string sha256;                       // over tokens, loss mask and weights, in hexadecimal
  bool reused = false;                      // an earlier identical run's output was found whole
};

/// Records to shards with a ledger (PREFIX.ledger.json) and the samples' origins (PREFIX.origins) beside them. A record
/// that cannot be trained on is counted under its reason. Finished work with an equal key is recognised and not redone.
/// Large inputs are cut into blocks that the ranks share over the output's folder (block_board.h): whatever their number,
/// the files are the same; with max_samples rank 0 does it alone. Stops cleanly when core/stop.h asks; the next call goes on
/// behind the blocks that were made. Ranks other than 0 return an empty report, as soon as every block is made.
/// Throws DataError on a damaged file, when no sample is left, and with truncation error on a sample that is too long;
/// ConfigError when a column that map_keys names is in no record.
SftReport preprocess_sft(const SftPreprocessOptions& options, const ChatTemplate& chat, const Tokenizer& tokenizer);

}  // namespace ingot::data
