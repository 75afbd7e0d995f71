#include "data/shards/pretrain_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "core/error.h"

namespace ingot::data {
namespace fs = std::filesystem;

PretrainOutput::PretrainOutput(const fs::path& prefix, const std::string& column, const InputFiles& inputs, Json work, int64_t vocab_size)
    : prefix_(prefix), column_(column), inputs_(inputs.files), place_(inputs.files), writer_(prefix, vocab_size) {
  ledger_.documents_of_sets.resize(inputs.files_of_sets.size());
  for (size_t set = 0; set < inputs.files_of_sets.size(); ++set) set_of_file_.insert(set_of_file_.end(), inputs.files_of_sets[set], set);
  ledger_.work = std::move(work);
  ledger_.passed_over = inputs.passed_over;
}

void PretrainOutput::add(const EncodedRecords& batch) {
  const size_t file = place_.file();
  std::span<const TokenId> rest(batch.tokens);
  for (const size_t length : batch.lengths) {
    writer_.add_document(rest.first(length));
    rest = rest.subspan(length);
  }
  for (const auto& record : batch.skipped) ledger_.skip(record.problem, inputs_[file].path, place_.row(record.row));
  ledger_.records += batch.num_records;
  ledger_.documents += batch.lengths.size();
  ledger_.documents_of_sets[set_of_file_[file]] += batch.lengths.size();
  ledger_.tokens += batch.tokens.size();
  if (batch.end) end_part(*batch.end);
}

void PretrainOutput::end_part(const PartEnd& end) {
  for (const auto& [column, records] : end.unused) count_column(unused_, column, records);
  if (found_.missing == 0) found_.keys = end.found.keys;
  found_.present += end.found.present, found_.missing += end.found.missing;
  if (place_.ends_file()) {
    expect_column(inputs_[place_.file()].path.string(), column_, found_);
    found_ = {};
  }
  place_.end_part(end.rows);
}

PreprocessReport PretrainOutput::finish(const std::vector<std::string>& json_keys) {
  for (const auto& [column, records] : unused_)
    if (std::find(json_keys.begin(), json_keys.end(), column) == json_keys.end()) ledger_.unused[column] = records;
  if (ledger_.documents == 0) throw DataError(no_document());
  std::error_code absent;
  fs::remove(ledger_path(prefix_), absent);
  const auto digests = writer_.finish();
  write_ledger(prefix_, ledger_, digests);
  return {prefix_, ledger_.records, ledger_.documents, ledger_.tokens, ledger_.documents_of_sets, ledger_.skipped_counts(),
          ledger_.unused, digests.bin.sha256, /*reused=*/false};
}

std::string PretrainOutput::no_document() const {
  std::vector<std::string> names, reasons;
  for (const auto& input : inputs_)
    if (names.size() < 5) names.push_back(input.path.string());
  for (const auto& [reason, entry] : ledger_.skipped)
    reasons.push_back(fmt::format("{}: {} records, first {}", reason, entry.records, entry.first.front()));
  return fmt::format("{}{}: no document among {} records{}{}", fmt::join(names, ", "),
                     inputs_.size() > names.size() ? ", ..." : "", ledger_.records, reasons.empty() ? "" : "; ",
                     fmt::join(reasons, "; "));
}

}  // namespace ingot::data
