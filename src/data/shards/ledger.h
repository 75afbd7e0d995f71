#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/files/record_reader.h"
#include "data/shards/indexed_dataset.h"
#include "data/shards/indexed_layout.h"
#include "data/shards/preprocess.h"

namespace ingot::data {

/// One raw file as it was when work on it began.
struct InputFile {
  std::filesystem::path path;
  uint64_t bytes = 0;
  std::string digest;  // XXH3 of its content, in hexadecimal; of the first, middle and last 64 MiB from 1 GiB on
  bool operator==(const InputFile&) const = default;
};

/// Throws DataError when the file is gone.
InputFile input_file(const std::filesystem::path& path);

/// What the paths of a data set hold.
struct InputFiles {
  std::vector<InputFile> files;         // in order
  std::vector<size_t> files_of_sets;    // number of files of each path
  std::vector<std::string> passed_over; // entries of folders that are no data files
};
InputFiles input_files(const std::vector<std::filesystem::path>& inputs);

/// The files as ledgers hold them.
Json inputs_json(const std::vector<InputFile>& inputs);

/// What decides the bytes of one output: inputs, tokenizer and options. Two runs with equal work give equal files.
Json describe_work(const InputFiles& inputs, const PreprocessOptions& options, const std::string& json_key,
                   int64_t vocab_size);

/// Records left out for one reason.
struct Skipped {
  uint64_t records = 0;
  std::vector<std::string> first;  // "file:row" of the first ones
};

/// Every record of one output: records == documents + all that were skipped.
struct Ledger {
  Json work;
  std::vector<std::string> passed_over;  // of the inputs' folders
  uint64_t records = 0, documents = 0, tokens = 0;
  std::vector<uint64_t> documents_of_sets;
  std::map<std::string, Skipped> skipped;  // by reason
  ColumnCounts unused;                     // records by column that training does not use
  void skip(const std::string& reason, const std::filesystem::path& file, uint64_t row);
  std::map<std::string, uint64_t> skipped_counts() const;
};

/// Checks the sums and puts the ledger beside its files, which makes them finished work.
void write_ledger(const std::filesystem::path& prefix, const Ledger& ledger,
                  const IndexedDatasetWriter::Digests& files);

/// What a ledger must have for its files to be used again.
struct LedgerKey {
  int version;
  const Json& work;
  const std::vector<std::string>& passed_over;  // today; a ledger that names others is corrected
};

/// The ledger beside `prefix` when it has that key and `is_good`. One that cannot be read, or in which `is_good` misses a
/// field, is named in a warning and not used.
std::optional<Json> finished_ledger(const std::filesystem::path& prefix, const LedgerKey& key,
                                    const std::function<bool(const Json&)>& is_good);

/// The report of an earlier run with equal work whose .bin and .idx still have the sizes and sha256 of its ledger.
std::optional<PreprocessReport> finished_work(const std::filesystem::path& prefix, const Json& work, const std::vector<std::string>& passed_over);

}  // namespace ingot::data
