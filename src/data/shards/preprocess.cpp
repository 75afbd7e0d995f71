#include "data/shards/preprocess.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "core/error.h"
#include "core/file.h"
#include "core/lease.h"
#include "data/shards/await_work.h"
#include "data/shards/block_job.h"
#include "data/shards/ledger.h"
#include "data/shards/pretrain_output.h"
#include "data/shards/pretrain_stage.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

/// One output of a call.
struct Output {
  std::string column;
  fs::path prefix, found;  // where it is written, and where it may be from before
};

std::vector<Output> outputs_of(const PreprocessOptions& options) {
  if (options.json_keys.empty()) throw ConfigError("json_keys is empty, wanted at least one text column");
  if (options.append_eod && options.eod_id < 0)
    throw ConfigError(fmt::format("the end-of-document id is {}, wanted 0 or more", options.eod_id));
  const fs::path written = fs::absolute(options.output_prefix);
  const fs::path found = options.found_prefix.empty() ? written : fs::absolute(options.found_prefix);
  if (options.rank.rank == 0) make_folder(written.parent_path());
  std::vector<Output> outputs;
  for (const auto& column : options.json_keys) {
    const std::string ending = fmt::format("_{}_document", column);
    outputs.push_back({column, written.string() + ending, found.string() + ending});
  }
  return outputs;
}

PreprocessReport make(const Output& output, const Lease& lease, const InputFiles& inputs, const PreprocessOptions& options,
                      const Tokenizer& tokenizer) {
  const Json work = describe_work(inputs, options, output.column, tokenizer.vocab_size());
  if (auto done = finished_work(output.found, work, inputs.passed_over)) {
    BlockBoard::remove_all_of(output.prefix);
    return *done;
  }
  BlockBoard board({output.prefix, work, plan_blocks(inputs.files, options.block_bytes)}, options.rank, &lease);
  const int64_t num_ids = options.append_eod ? int64_t{options.eod_id} + 1 : 0;
  PretrainOutput written(output.prefix, output.column, inputs, work, std::max(tokenizer.vocab_size(), num_ids));
  PretrainStage stage(options, output.column, inputs, tokenizer, &written);
  make_blocks(stage, board, "tokenizing " + output.column, options.rank.num_workers(options.num_workers));
  const auto report = written.finish(options.json_keys);
  board.remove();
  return report;
}

void help(const Output& output, const InputFiles& inputs, const PreprocessOptions& options, const Tokenizer& tokenizer) {
  const BlockWork wanted{output.prefix, describe_work(inputs, options, output.column, tokenizer.vocab_size()),
                         plan_blocks(inputs.files, options.block_bytes)};
  PretrainStage stage(options, output.column, inputs, tokenizer, nullptr);
  help_to_make(stage, wanted, options.rank, "tokenizing " + output.column, options.rank.num_workers(options.num_workers));
}

}  // namespace

std::vector<PreprocessReport> preprocess_pretrain(const PreprocessOptions& options, const Tokenizer& tokenizer) {
  const auto outputs = outputs_of(options);
  std::vector<PreprocessReport> reports;
  if (options.rank.rank != 0) {
    const InputFiles inputs = listed_files(options.inputs);
    for (const auto& output : outputs) help(output, inputs, options, tokenizer);
    return reports;
  }
  std::vector<std::unique_ptr<const Lease>> leases;  // their hearts beat while the files are read
  for (const auto& output : outputs)
    leases.push_back(std::make_unique<const Lease>(LeaseTerms{output_lease(output.prefix), output.prefix}));
  const InputFiles inputs = input_files(options.inputs);
  for (size_t i = 0; i < outputs.size(); ++i) reports.push_back(make(outputs[i], *leases[i], inputs, options, tokenizer));
  return reports;
}

}  // namespace ingot::data
