#include "data/sft/preprocess_sft.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/file.h"
#include "core/lease.h"
#include "data/sft/record_handler.h"
#include "data/sft/sft_files.h"
#include "data/sft/sft_stage.h"
#include "data/sft/sft_writer.h"
#include "data/shards/await_work.h"
#include "data/shards/block_job.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

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

SftLedger ledger_of(const InputFiles& inputs, const SftPreprocessOptions& options, Json work) {
  SftLedger ledger;
  ledger.inputs = inputs.files, ledger.passed_over = inputs.passed_over;
  ledger.work = std::move(work);
  ledger.made_with = {{"model", options.model}, {"template", options.chat_template}};
  return ledger;
}

/// max_samples counts records from the first one on: then there is no second block to begin with.
std::vector<Block> blocks_of(const std::vector<InputFile>& inputs, const SftPreprocessOptions& options) {
  return options.max_samples > 0 ? one_block(inputs) : plan_blocks(inputs, options.block_bytes);
}

constexpr const char* kLabel = "reading conversations";

SftReport make(const fs::path& prefix, const Rendering& rendering) {
  const auto& options = rendering.options;
  const Lease lease({output_lease(prefix), prefix});
  const InputFiles inputs = input_files(options.inputs);
  const Json work = describe_sft_work(inputs.files, options, rendering.chat, rendering.tokenizer.vocab_size());
  const fs::path found = options.found_prefix.empty() ? prefix : fs::absolute(options.found_prefix);
  if (finished_sft_work(found, work, inputs.passed_over)) {
    BlockBoard::remove_all_of(prefix);
    return report_of(found, read_json(ledger_path(found)), /*reused=*/true);
  }
  BlockBoard board({prefix, work, blocks_of(inputs.files, options)}, options.rank, &lease);
  SftWriter output(prefix, ledger_of(inputs, options, work), rendering.tokenizer, options.megatron_instruction_layout);
  SftStage stage(rendering, inputs.files, &output);
  make_blocks(stage, board, kLabel, options.rank.num_workers(options.num_workers));
  stage.refuse_absent_columns();
  output.finish();
  board.remove();
  return report_of(prefix, read_json(ledger_path(prefix)), /*reused=*/false);
}

void help(const fs::path& prefix, const Rendering& rendering) {
  const auto& options = rendering.options;
  const InputFiles inputs = listed_files(options.inputs);
  const BlockWork wanted{prefix, describe_sft_work(inputs.files, options, rendering.chat, rendering.tokenizer.vocab_size()),
                         blocks_of(inputs.files, options)};
  SftStage stage(rendering, inputs.files, nullptr);
  help_to_make(stage, wanted, options.rank, kLabel, options.rank.num_workers(options.num_workers));
}

}  // namespace

SftReport preprocess_sft(const SftPreprocessOptions& options, const ChatTemplate& chat, const Tokenizer& tokenizer) {
  const fs::path prefix = fs::absolute(options.output_prefix);
  const Rendering rendering{options, chat, tokenizer};
  if (options.rank.rank == 0) {
    make_folder(prefix.parent_path());
    return make(prefix, rendering);
  }
  help(prefix, rendering);
  return {.prefix = prefix};
}

}  // namespace ingot::data
