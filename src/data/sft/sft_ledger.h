#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/files/column_counts.h"
#include "data/shards/ledger.h"
#include "data/sft/sample_origins.h"

namespace ingot::data {

/// Samples left out for one reason, and the tokens that they had been rendered to.
struct SkippedSamples {
  uint64_t samples = 0, tokens = 0;
  std::vector<std::string> first;  // "file:row", with what stood there
};

/// Every record of one SFT data set. A record gives one sample, or several with moss_per_turn:
///   samples + skipped == records + further_samples, tokens == kept + cut + skipped
struct SftLedger {
  Json work, made_with;
  std::vector<InputFile> inputs;
  std::vector<std::string> passed_over;  // entries of the inputs' folders that are no data files
  uint64_t records = 0, further_samples = 0, samples = 0, labels = 0;
  uint64_t rendered_tokens = 0, kept_tokens = 0, cut_tokens = 0, cut_samples = 0;
  std::vector<std::string> first_cut;            // "file:row cut by 12 tokens"
  std::map<std::string, uint64_t> handlers;      // records by the format that they were read as
  ColumnCounts unused;                           // records by column that training does not use
  std::map<std::string, SkippedSamples> skipped; // by reason
  void keep(const SampleOrigin& origin, uint64_t tokens, uint64_t labels);
  void skip(const std::string& reason, const std::string& detail, const SampleOrigin& origin, uint64_t tokens);
  void leave_unused(const std::string& column, uint64_t records);
  uint64_t num_skipped() const;
};

/// Checks the sums and puts the ledger beside its files, which makes them finished work. `files` are by file name.
void write_sft_ledger(const std::filesystem::path& prefix, const SftLedger& ledger,
                      const std::map<std::string, FileDigest>& files);

/// The ledger of an earlier run with equal work whose files still have the sizes and sha256 named in it.
std::optional<Json> finished_sft_work(const std::filesystem::path& prefix, const Json& work, const std::vector<std::string>& passed_over);

}  // namespace ingot::data
