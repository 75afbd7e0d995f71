#include "data/shards/preprocess.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <thread>

#include "core/error.h"
#include "core/file.h"
#include "core/lease.h"
#include "core/progress.h"
#include "core/stop.h"
#include "data/files/record_reader.h"
#include "data/shards/ledger.h"
#include "data/shards/ordered_pipeline.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

/// What the reading thread hands to a worker.
struct ReadBatch {
  size_t file = 0;  // number of the input
  uint64_t bytes_read = 0;
  std::vector<TextRecord> records;
};

/// What a worker hands to the writer.
struct EncodedBatch {
  size_t file = 0;
  uint64_t bytes_read = 0, num_records = 0;
  std::vector<TokenId> tokens;  // documents one after another
  std::vector<size_t> lengths;
  std::vector<TextRecord> skipped;  // row and problem
};

/// Streams the records of all inputs.
class InputReader {
 public:
  InputReader(const std::vector<InputFile>& inputs, std::string column) : inputs_(inputs), column_(std::move(column)) {}

  std::optional<ReadBatch> next() {
    for (; file_ < inputs_.size(); ++file_) {
      if (const int signal = stop_requested())
        throw Error(kExitTerminated, fmt::format("preprocessing stopped by signal {}, nothing is kept", signal));
      if (!reader_) reader_ = open_text_reader(inputs_[file_].path, column_);
      ReadBatch batch;
      batch.file = file_;
      const uint64_t before = bytes_before_;
      if (reader_->next(batch.records)) {
        bytes_before_ = reader_->bytes_read();
        batch.bytes_read = bytes_before_ - before;
        return batch;
      }
      close();
    }
    return std::nullopt;
  }
  /// Columns of all inputs that hold something and are not read.
  const ColumnCounts& unused() const { return unused_; }

 private:
  void close() {
    for (const auto& [column, records] : reader_->unused()) count_column(unused_, column, records);
    if (!(input_file(inputs_[file_].path) == inputs_[file_]))
      throw DataError(fmt::format("{}: changed while it was read", inputs_[file_].path.string()));
    reader_.reset();
    bytes_before_ = 0;
  }

  const std::vector<InputFile>& inputs_;
  std::string column_;
  size_t file_ = 0;
  std::unique_ptr<TextReader> reader_;
  uint64_t bytes_before_ = 0;
  ColumnCounts unused_;
};

size_t memory_of(const ReadBatch& batch) {
  size_t bytes = 0;
  for (const auto& record : batch.records) bytes += sizeof(TextRecord) + record.text.size();
  return bytes * (1 + sizeof(TokenId));  // a token stands for one byte of text at worst
}

EncodedBatch encode(const ReadBatch& batch, const Tokenizer& tokenizer, const PreprocessOptions& options) {
  EncodedBatch encoded{batch.file, batch.bytes_read, batch.records.size(), {}, {}, {}};
  const auto skip = [&](const TextRecord& record, std::string reason) {
    encoded.skipped.push_back({record.row, {}, std::move(reason)});
  };
  for (const auto& record : batch.records) {
    if (!record.problem.empty() || record.text.empty()) {
      skip(record, record.problem.empty() ? "empty text" : record.problem);
      continue;
    }
    std::vector<TokenId> tokens;
    try {
      tokens = tokenizer.encode(record.text);
    } catch (const DataError& error) {  // of this text alone
      skip(record, error.what());
      continue;
    }
    if (tokens.empty()) {
      skip(record, "text without a token");
      continue;
    }
    encoded.tokens.insert(encoded.tokens.end(), tokens.begin(), tokens.end());
    if (options.append_eod) encoded.tokens.push_back(options.eod_id);
    encoded.lengths.push_back(tokens.size() + (options.append_eod ? 1 : 0));
  }
  return encoded;
}

/// Takes encoded batches in order into the shards and the ledger.
class OutputWriter {
 public:
  OutputWriter(const fs::path& prefix, const InputFiles& inputs, Json work, int64_t vocab_size)
      : prefix_(prefix), inputs_(inputs.files), writer_(prefix, vocab_size) {
    ledger_.documents_of_sets.resize(inputs.files_of_sets.size());
    for (size_t set = 0; set < inputs.files_of_sets.size(); ++set) set_of_file_.insert(set_of_file_.end(), inputs.files_of_sets[set], set);
    ledger_.work = std::move(work);
    ledger_.passed_over = inputs.passed_over;
  }

  void add(const EncodedBatch& batch) {
    std::span<const TokenId> rest(batch.tokens);
    for (const size_t length : batch.lengths) {
      writer_.add_document(rest.first(length));
      rest = rest.subspan(length);
    }
    for (const auto& record : batch.skipped) ledger_.skip(record.problem, inputs_[batch.file].path, record.row);
    ledger_.records += batch.num_records;
    ledger_.documents += batch.lengths.size();
    ledger_.documents_of_sets[set_of_file_[batch.file]] += batch.lengths.size();
    ledger_.tokens += batch.tokens.size();
  }

  /// Names what the records carry beside the texts of `json_keys`.
  void leave_unused(const ColumnCounts& columns, const std::vector<std::string>& json_keys) {
    for (const auto& [column, records] : columns)
      if (std::find(json_keys.begin(), json_keys.end(), column) == json_keys.end()) ledger_.unused[column] = records;
  }

  PreprocessReport finish() {
    if (ledger_.documents == 0) throw DataError(no_document());
    std::error_code absent;
    fs::remove(ledger_path(prefix_), absent);
    const auto digests = writer_.finish();
    write_ledger(prefix_, ledger_, digests);
    return {prefix_, ledger_.records, ledger_.documents, ledger_.tokens, ledger_.documents_of_sets, ledger_.skipped_counts(),
            ledger_.unused, digests.bin.sha256, /*reused=*/false};
  }

 private:
  std::string no_document() const {
    std::vector<std::string> names, reasons;
    for (const auto& input : inputs_)
      if (names.size() < 5) names.push_back(input.path.string());
    for (const auto& [reason, entry] : ledger_.skipped)
      reasons.push_back(fmt::format("{}: {} records, first {}", reason, entry.records, entry.first.front()));
    return fmt::format("{}{}: no document among {} records{}{}", fmt::join(names, ", "),
                       inputs_.size() > names.size() ? ", ..." : "", ledger_.records, reasons.empty() ? "" : "; ",
                       fmt::join(reasons, "; "));
  }

  fs::path prefix_;
  const std::vector<InputFile>& inputs_;
  std::vector<size_t> set_of_file_;
  IndexedDatasetWriter writer_;
  Ledger ledger_;
};

PreprocessReport run_pipeline(const fs::path& prefix, const std::string& json_key, const InputFiles& found,
                              const PreprocessOptions& options, const Tokenizer& tokenizer) {
  const auto& inputs = found.files;
  const int64_t num_ids = options.append_eod ? int64_t{options.eod_id} + 1 : 0;
  const int64_t vocab_size = std::max(tokenizer.vocab_size(), num_ids);
  OutputWriter output(prefix, found, describe_work(found, options, json_key, tokenizer.vocab_size()), vocab_size);
  const uint64_t total = std::accumulate(inputs.begin(), inputs.end(), uint64_t{0},
                                         [](uint64_t sum, const InputFile& file) { return sum + file.bytes; });
  Progress progress("tokenizing " + json_key, total, "B");
  InputReader reader(inputs, json_key);
  PipelineLimits limits;
  const int num_cores = static_cast<int>(std::thread::hardware_concurrency());
  limits.workers = std::max(options.num_workers > 0 ? options.num_workers : num_cores, 1);
  limits.max_items = static_cast<size_t>(2 * limits.workers + 2);
  OrderedPipeline<ReadBatch, EncodedBatch> pipeline;
  pipeline.read = [&] { return reader.next(); };
  pipeline.size_of = memory_of;
  pipeline.work = [&](const ReadBatch& batch) { return encode(batch, tokenizer, options); };
  pipeline.write = [&](const EncodedBatch& batch) {
    output.add(batch);
    progress.add(batch.bytes_read);
  };
  pipeline.run(limits);
  output.leave_unused(reader.unused(), options.json_keys);
  return output.finish();
}

}  // namespace

std::vector<PreprocessReport> preprocess_pretrain(const PreprocessOptions& options, const Tokenizer& tokenizer) {
  if (options.json_keys.empty()) throw ConfigError("json_keys is empty, wanted at least one text column");
  if (options.append_eod && options.eod_id < 0)
    throw ConfigError(fmt::format("the end-of-document id is {}, wanted 0 or more", options.eod_id));
  const fs::path output = fs::absolute(options.output_prefix);
  const fs::path found = options.found_prefix.empty() ? output : fs::absolute(options.found_prefix);
  make_folder(output.parent_path());
  const InputFiles inputs = input_files(options.inputs);
  std::vector<PreprocessReport> reports;
  for (const auto& json_key : options.json_keys) {
    const std::string ending = fmt::format("_{}_document", json_key);
    const fs::path prefix = output.string() + ending;
    const Lease lease({prefix.parent_path() / ("." + prefix.filename().string() + ".lease"), prefix});
    auto done = finished_work(found.string() + ending, describe_work(inputs, options, json_key, tokenizer.vocab_size()), inputs.passed_over);
    reports.push_back(done ? *done : run_pipeline(prefix, json_key, inputs, options, tokenizer));
  }
  return reports;
}

}  // namespace ingot::data
