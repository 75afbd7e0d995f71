#include "data/sft/preprocess_sft.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <thread>

#include "core/error.h"
#include "core/lease.h"
#include "core/progress.h"
#include "core/stop.h"
#include "data/files/raw_rows.h"
#include "data/sft/record_handler.h"
#include "data/sft/sft_files.h"
#include "data/sft/sft_writer.h"
#include "data/shards/ordered_pipeline.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

constexpr size_t kBatchBytes = size_t{1} << 20, kBatchRows = 4096;

/// What the reading thread hands to a worker.
struct ReadBatch {
  uint32_t file = 0;
  uint64_t bytes_read = 0;
  std::vector<JsonRow> rows;
};

/// Streams the records of all inputs, at most a given number.
class RecordInput {
 public:
  RecordInput(const std::vector<InputFile>& inputs, uint64_t max_records)
      : inputs_(inputs), records_left_(max_records == 0 ? ~uint64_t{0} : max_records) {}

  std::optional<ReadBatch> next() {
    for (; file_ < inputs_.size() && records_left_ > 0; ++file_, reader_.reset(), bytes_before_ = 0) {
      if (const int signal = stop_requested())
        throw Error(kExitTerminated, fmt::format("preprocessing stopped by signal {}, nothing is kept", signal));
      if (!reader_) reader_ = open_json_row_reader(inputs_[file_].path);
      ReadBatch batch = read();
      if (!batch.rows.empty()) return batch;
      if (!(input_file(inputs_[file_].path) == inputs_[file_]))
        throw DataError(fmt::format("{}: changed while it was read", inputs_[file_].path.string()));
    }
    return std::nullopt;
  }

 private:
  ReadBatch read() {
    ReadBatch batch{.file = static_cast<uint32_t>(file_)};
    for (size_t bytes = 0; bytes < kBatchBytes && batch.rows.size() < kBatchRows && records_left_ > 0; --records_left_) {
      JsonRow row;
      if (!reader_->next(row)) break;
      bytes += row.json.size();
      batch.rows.push_back(std::move(row));
    }
    batch.bytes_read = reader_->bytes_read() - bytes_before_;
    bytes_before_ = reader_->bytes_read();
    return batch;
  }

  const std::vector<InputFile>& inputs_;
  uint64_t records_left_, bytes_before_ = 0;
  size_t file_ = 0;
  std::unique_ptr<JsonRowReader> reader_;
};

size_t memory_of(const ReadBatch& batch) {
  size_t bytes = 0;
  for (const auto& row : batch.rows) bytes += sizeof(JsonRow) + row.json.size();
  return bytes * (2 + sizeof(TokenId) + sizeof(uint8_t));  // a token stands for one byte of text at worst
}

/// What one record became, behind the samples of those before it.
void render_row(const JsonRow& row, uint32_t file, const RecordHandler& handler, const SftPreprocessOptions& options,
                const ChatTemplate& chat, const Tokenizer& tokenizer, RenderedBatch& batch) {
  ++batch.records;
  HandledRecord handled;
  if (row.problem.empty()) handled = handler.handle(row.json);
  else handled.reason = row.problem;
  if (!handled.handler.empty()) ++batch.handlers[handled.handler];
  for (const auto& column : handled.unused) ++batch.unused[column];
  batch.columns.see(handled.columns);
  if (!handled.reason.empty()) {
    Sample left_out;
    left_out.reason = handled.reason, left_out.detail = handled.detail;
    batch.samples.push_back({{file, 0, row.row, 0}, std::move(left_out)});
    return;
  }
  batch.further_samples += handled.conversations.size() - 1;
  for (uint32_t item = 0; item < handled.conversations.size(); ++item) {
    Sample sample = render_sample(std::move(handled.conversations[item]), chat, tokenizer, options.sample);
    const uint64_t cut = sample.reason.empty() ? sample.cut() : 0;
    batch.samples.push_back({{file, item, row.row, cut}, std::move(sample)});
  }
}

/// What decides the bytes of the output. Two runs with equal work give equal files.
Json describe_sft_work(const std::vector<InputFile>& inputs, const SftPreprocessOptions& options, const ChatTemplate& chat,
                       int64_t vocab_size) {
  return {{"inputs", inputs_json(inputs)},
          {"tokenizer", {{"identity", options.tokenizer_identity}, {"vocab_size", vocab_size}}},
          {"template", {{"name", chat.name()}, {"identity", options.template_identity}}},
          {"options",
           {{"handler_name", plain_handler_name(options.handler_name)},
            {"map_keys", options.map_keys.given()},
            {"ignore_fields", options.ignore_fields},
            {"cutoff_len", options.sample.cutoff_len},
            {"truncation", truncation_name(options.sample.truncation)},
            {"train_on_prompt", options.sample.train_on_prompt},
            {"mask_history", options.sample.mask_history},
            {"max_samples", options.max_samples},
            {"megatron_instruction_layout", options.megatron_instruction_layout}}}};
}

SftReport report_of(const fs::path& prefix, const Json& ledger, bool reused) {
  SftReport report{.prefix = prefix, .reused = reused};
  report.records = ledger.at("records").get<uint64_t>();
  report.samples = ledger.at("samples").get<uint64_t>();
  report.tokens = ledger.at("tokens").at("kept").get<uint64_t>();
  report.labels = ledger.at("labels").get<uint64_t>();
  report.cut_samples = ledger.at("cut").at("samples").get<uint64_t>();
  report.cut_tokens = ledger.at("cut").at("tokens").get<uint64_t>();
  for (const auto& [reason, skipped] : ledger.at("skipped").items())
    report.skipped[reason] = skipped.at("samples").get<uint64_t>();
  for (const auto& [column, records] : ledger.at("unused").items()) report.unused[column] = records.get<uint64_t>();
  Sha256 hash;
  const SftFiles files(prefix);
  for (const auto& part : {files.tokens, files.loss_mask, files.loss_weights}) {
    const auto sha256 = ledger.at("files").at(part.filename().string() + ".bin").at("sha256").get<std::string>();
    hash.add(sha256.data(), sha256.size());
  }
  report.sha256 = hash.hex();
  return report;
}

void run_pipeline(const fs::path& prefix, SftLedger ledger, const SftPreprocessOptions& options, const ChatTemplate& chat,
                  const Tokenizer& tokenizer) {
  const std::vector<InputFile> inputs = ledger.inputs;
  const auto handler = make_record_handler(options.handler_name, options.map_keys, options.ignore_fields);
  SftWriter output(prefix, std::move(ledger), tokenizer, options.megatron_instruction_layout);
  const uint64_t total = std::accumulate(inputs.begin(), inputs.end(), uint64_t{0},
                                         [](uint64_t sum, const InputFile& file) { return sum + file.bytes; });
  Progress progress("reading conversations", total, "B");
  RecordInput reader(inputs, options.max_samples);
  MappedColumns columns(options.map_keys);
  PipelineLimits limits;
  const int num_cores = static_cast<int>(std::thread::hardware_concurrency());
  limits.workers = std::max(options.num_workers > 0 ? options.num_workers : num_cores, 1);
  limits.max_items = static_cast<size_t>(2 * limits.workers + 2);
  OrderedPipeline<ReadBatch, RenderedBatch> pipeline;
  pipeline.read = [&] { return reader.next(); };
  pipeline.size_of = memory_of;
  pipeline.work = [&](const ReadBatch& batch) {
    RenderedBatch rendered{.bytes_read = batch.bytes_read, .columns = MappedColumns(options.map_keys)};
    for (const auto& row : batch.rows) try {
      render_row(row, batch.file, *handler, options, chat, tokenizer, rendered);
    } catch (const DataError& error) {
      throw DataError(fmt::format("{}:{}: {}", inputs[batch.file].path.string(), row.row, error.what()));
    }
    return rendered;
  };
  pipeline.write = [&](const RenderedBatch& batch) {
    output.add(batch);
    columns.see(batch.columns);
    progress.add(batch.bytes_read);
  };
  pipeline.run(limits);
  columns.refuse_absent(inputs.size() == 1 ? inputs[0].path.string() : fmt::format("{} and {} more files", inputs[0].path.string(), inputs.size() - 1));
  output.finish();
}

}  // namespace

SftReport preprocess_sft(const SftPreprocessOptions& options, const ChatTemplate& chat, const Tokenizer& tokenizer) {
  const fs::path prefix = fs::absolute(options.output_prefix);
  make_folder(prefix.parent_path());
  const Lease lease({prefix.parent_path() / ("." + prefix.filename().string() + ".lease"), prefix});
  SftLedger ledger;
  const InputFiles inputs = input_files(options.inputs);
  ledger.inputs = inputs.files, ledger.passed_over = inputs.passed_over;
  ledger.work = describe_sft_work(ledger.inputs, options, chat, tokenizer.vocab_size());
  ledger.made_with = {{"model", options.model}, {"template", options.chat_template}};
  const Json work = ledger.work;
  const fs::path found = options.found_prefix.empty() ? prefix : fs::absolute(options.found_prefix);
  if (finished_sft_work(found, work, inputs.passed_over)) return report_of(found, read_json(ledger_path(found)), /*reused=*/true);
  run_pipeline(prefix, std::move(ledger), options, chat, tokenizer);
  return report_of(prefix, read_json(ledger_path(prefix)), /*reused=*/false);
}

}  // namespace ingot::data
