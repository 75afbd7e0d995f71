#include "data/sft/sft_ledger.h"

#include <fmt/format.h>

#include <numeric>
#include <stdexcept>

#include "core/error.h"
#include "core/log.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

constexpr int kSftLedgerVersion = 5;
constexpr size_t kFirstRows = 20, kMaxReasons = 200;
constexpr const char* kOtherReasons = "other reasons";

std::string place(const std::vector<InputFile>& inputs, const SampleOrigin& origin) {
  return fmt::format("{}:{}", inputs.at(origin.file).path.string(), origin.row);
}

void check_sums(const fs::path& prefix, const SftLedger& ledger) {
  uint64_t skipped_tokens = 0;
  for (const auto& [reason, entry] : ledger.skipped) skipped_tokens += entry.tokens;
  const uint64_t samples = ledger.samples + ledger.num_skipped(), wanted = ledger.records + ledger.further_samples;
  const uint64_t tokens = ledger.kept_tokens + ledger.cut_tokens + skipped_tokens;
  if (samples != wanted || tokens != ledger.rendered_tokens)
    throw std::logic_error(fmt::format("the ledger of {} accounts for {} of {} samples and {} of {} tokens", prefix.string(),
                                       samples, wanted, tokens, ledger.rendered_tokens));
}

Json skipped_json(const SftLedger& ledger) {
  Json skipped = Json::object();
  for (const auto& [reason, entry] : ledger.skipped)
    skipped[reason] = {{"samples", entry.samples}, {"tokens", entry.tokens}, {"first", entry.first}};
  return skipped;
}

}  // namespace

void SftLedger::keep(const SampleOrigin& origin, uint64_t tokens, uint64_t num_labels) {
  ++samples;
  labels += num_labels;
  kept_tokens += tokens;
  cut_tokens += origin.cut;
  rendered_tokens += tokens + origin.cut;
  if (origin.cut == 0) return;
  ++cut_samples;
  if (first_cut.size() < kFirstRows) first_cut.push_back(fmt::format("{} cut by {} tokens", place(inputs, origin), origin.cut));
}

void SftLedger::skip(const std::string& reason, const std::string& detail, const SampleOrigin& origin, uint64_t tokens) {
  const bool room = skipped.size() < kMaxReasons || skipped.contains(reason);
  SkippedSamples& entry = skipped[room ? reason : kOtherReasons];
  ++entry.samples;
  entry.tokens += tokens;
  rendered_tokens += tokens;
  const std::string shown = room ? detail : reason;
  if (entry.first.size() < kFirstRows)
    entry.first.push_back(place(inputs, origin) + (shown.empty() ? "" : fmt::format(" ({})", shown)));
}

void SftLedger::leave_unused(const std::string& column, uint64_t records_with_it) {
  count_column(unused, column, records_with_it);
}

uint64_t SftLedger::num_skipped() const {
  return std::accumulate(skipped.begin(), skipped.end(), uint64_t{0},
                         [](uint64_t sum, const auto& entry) { return sum + entry.second.samples; });
}

void write_sft_ledger(const fs::path& prefix, const SftLedger& ledger, const std::map<std::string, FileDigest>& files) {
  check_sums(prefix, ledger);
  Json digests = Json::object();
  for (const auto& [name, digest] : files) digests[name] = digest_json(digest);
  uint64_t skipped_tokens = ledger.rendered_tokens - ledger.kept_tokens - ledger.cut_tokens;
  const Json document{{"version", kSftLedgerVersion},
                      {"work", ledger.work},
                      {"made_with", ledger.made_with},
                      {"records", ledger.records},
                      {"further_samples", ledger.further_samples},
                      {"samples", ledger.samples},
                      {"labels", ledger.labels},
                      {"tokens",
                       {{"rendered", ledger.rendered_tokens},
                        {"kept", ledger.kept_tokens},
                        {"cut", ledger.cut_tokens},
                        {"skipped", skipped_tokens}}},
                      {"handlers", ledger.handlers},
                      {"unused", ledger.unused},
                      {"cut", {{"samples", ledger.cut_samples}, {"tokens", ledger.cut_tokens}, {"first", ledger.first_cut}}},
                      {"skipped", skipped_json(ledger)},
                      {"passed_over", ledger.passed_over},
                      {"files", digests}};
  write_file(ledger_path(prefix), json_text(document, 2) + "\n");
}

std::optional<Json> finished_sft_work(const fs::path& prefix, const Json& work, const std::vector<std::string>& passed_over) {
  return finished_ledger(prefix, {kSftLedgerVersion, work, passed_over}, [&](const Json& ledger) {
    bool whole = true;
    for (const auto& [name, digest] : ledger.at("files").items()) whole = whole && is_whole(prefix.parent_path() / name, digest);
    if (!whole) log_warning(fmt::format("the files of {} are not as their ledger says, they are made again", prefix.string()));
    return whole;
  });
}

}  // namespace ingot::data
