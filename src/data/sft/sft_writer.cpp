#include "data/sft/sft_writer.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "core/error.h"
#include "data/sft/sft_files.h"
#include "data/sft/sft_samples.h"
#include "data/shards/batch.h"
#include "data/shards/indexed_layout.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

using Type = StoredNumbers::Type;

void finish_pair(IndexedDatasetWriter& writer, const fs::path& prefix, std::map<std::string, FileDigest>& files) {
  const auto digests = writer.finish();
  files[bin_path(prefix).filename().string()] = digests.bin;
  files[idx_path(prefix).filename().string()] = digests.idx;
}

}  // namespace

SftWriter::SftWriter(const fs::path& prefix, SftLedger ledger, const Tokenizer& tokenizer, bool megatron_instruction_layout)
    : prefix_(prefix), ledger_(std::move(ledger)), place_(ledger_.inputs), tokens_(SftFiles(prefix).tokens, tokenizer.vocab_size()),
      loss_mask_(SftFiles(prefix).loss_mask, StoredNumbers{Type::kU8, kNoLabel, kEosLabel}),
      loss_weights_(SftFiles(prefix).loss_weights, StoredNumbers{Type::kI32, 0, std::numeric_limits<TokenId>::max()}),
      origins_(origins_path(prefix)), eos_id_(tokenizer.eos_id()) {
  if (!megatron_instruction_layout) return;
  const int64_t vocab_size = tokenizer.vocab_size();
  const SftFiles files(prefix);
  const StoredNumbers ids{Type::kI32, 0, vocab_size - 1}, ones{Type::kI32, 1, 1}, labels{Type::kI32, kIgnoredLabel, vocab_size - 1};
  instruction_.reset(new Instruction{{files.packed_input_ids, ids}, {files.packed_attention_mask, ones}, {files.packed_labels, labels}});
}

void SftWriter::add(const RenderedBatch& batch) {
  ledger_.records += batch.records;
  ledger_.further_samples += batch.further_samples;
  for (const auto& [name, records] : batch.handlers) ledger_.handlers[name] += records;
  for (const auto& [column, records] : batch.unused) ledger_.leave_unused(column, records);
  for (const auto& [origin, sample] : batch.samples) {
    const SampleOrigin place{static_cast<uint32_t>(place_.file()), origin.item, place_.row(origin.row), origin.cut};
    if (sample.reason.empty()) keep(sample, place);
    else ledger_.skip(sample.reason, sample.detail, place, sample.rendered);
  }
  if (batch.end && batch.end->is_read) place_.end_part(batch.end->rows);
  else if (batch.end) place_.leave_part();
}

void SftWriter::keep(const Sample& sample, const SampleOrigin& origin) {
  tokens_.add_document(sample.ids);
  loss_mask_.add_document(std::vector<TokenId>(sample.loss_mask.begin(), sample.loss_mask.end()));
  loss_weights_.add_document(bits_of(sample.weights));
  origins_.write_value(origin);
  if (instruction_) keep_instruction(sample);
  ledger_.keep(origin, sample.ids.size(), sample.num_labels());
}

void SftWriter::keep_instruction(const Sample& sample) {
  const std::vector<TokenId> labels = labels_of(sample.ids, sample.loss_mask, eos_id_);
  instruction_->input_ids.add_document(sample.ids);
  instruction_->attention_mask.add_document(std::vector<TokenId>(sample.ids.size(), 1));
  instruction_->labels.add_document(labels);
}

void SftWriter::finish() {
  if (ledger_.samples == 0) throw DataError(nothing_kept());
  std::error_code absent;
  fs::remove(ledger_path(prefix_), absent);
  const SftFiles files(prefix_);
  std::map<std::string, FileDigest> digests;
  finish_pair(tokens_, files.tokens, digests);
  finish_pair(loss_mask_, files.loss_mask, digests);
  finish_pair(loss_weights_, files.loss_weights, digests);
  if (instruction_) {
    finish_pair(instruction_->input_ids, files.packed_input_ids, digests);
    finish_pair(instruction_->attention_mask, files.packed_attention_mask, digests);
    finish_pair(instruction_->labels, files.packed_labels, digests);
  }
  digests[origins_path(prefix_).filename().string()] = origins_.commit();
  write_sft_ledger(prefix_, ledger_, digests);
}

std::string SftWriter::nothing_kept() const {
  std::vector<std::string> names, reasons;
  for (const auto& input : ledger_.inputs)
    if (names.size() < 5) names.push_back(input.path.string());
  for (const auto& [reason, entry] : ledger_.skipped)
    if (reasons.size() < 5) reasons.push_back(fmt::format("{}: {} samples, first {}", reason, entry.samples, entry.first.front()));
  return fmt::format("{}{}: nothing to train on among {} records{}{}", fmt::join(names, ", "),
                     ledger_.inputs.size() > names.size() ? ", ..." : "", ledger_.records, reasons.empty() ? "" : "; ",
                     fmt::join(reasons, "; "));
}

}  // namespace ingot::data
