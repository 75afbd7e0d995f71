#include "data/shards/ledger.h"

#include <fmt/format.h>
#include "core/content_digest.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

constexpr int kLedgerVersion = 2;
constexpr size_t kFirstRows = 20;

PreprocessReport report_of(const fs::path& prefix, const Json& ledger) {
  PreprocessReport report;
  report.prefix = prefix;
  report.records = ledger.at("records").get<uint64_t>();
  report.documents = ledger.at("documents").get<uint64_t>();
  report.tokens = ledger.at("tokens").get<uint64_t>();
  for (const auto& [reason, skipped] : ledger.at("skipped").items())
    report.skipped[reason] = skipped.at("records").get<uint64_t>();
  report.documents_of_sets = ledger.at("documents_of_sets").get<std::vector<uint64_t>>();
  report.unused = ledger.at("unused").get<ColumnCounts>();
  report.bin_sha256 = ledger.at("bin").at("sha256").get<std::string>();
  report.reused = true;
  return report;
}

}  // namespace

InputFile input_file(const fs::path& path) {
  const MappedFile file(path);
  return {fs::absolute(path).lexically_normal(), file.bytes().size(), content_digest(file)};
}

InputFiles input_files(const std::vector<fs::path>& inputs) {
  InputFiles found;
  for (const auto& input : inputs) {
    const DataFiles data = find_data_files(input);
    report_passed_over(input, data);
    for (const auto& file : data.files) found.files.push_back(input_file(file));
    found.files_of_sets.push_back(data.files.size());
    for (const auto& path : data.passed_over) found.passed_over.push_back(path.string());
  }
  return found;
}

Json inputs_json(const std::vector<InputFile>& inputs) {
  Json files = Json::array();
  for (const auto& file : inputs)
    files.push_back({{"path", file.path.string()}, {"bytes", file.bytes}, {"xxh3", file.digest}});
  return files;
}

Json describe_work(const InputFiles& inputs, const PreprocessOptions& options, const std::string& json_key,
                   int64_t vocab_size) {
  return {{"inputs", inputs_json(inputs.files)},
          {"files_of_sets", inputs.files_of_sets},
          {"tokenizer", {{"identity", options.tokenizer_identity}, {"vocab_size", vocab_size}}},
          {"options", {{"json_key", json_key}, {"append_eod", options.append_eod}, {"eod_id", options.eod_id}}}};
}

void Ledger::skip(const std::string& reason, const fs::path& file, uint64_t row) {
  Skipped& entry = skipped[reason];
  ++entry.records;
  if (entry.first.size() < kFirstRows) entry.first.push_back(fmt::format("{}:{}", file.string(), row));
}

std::map<std::string, uint64_t> Ledger::skipped_counts() const {
  std::map<std::string, uint64_t> counts;
  for (const auto& [reason, entry] : skipped) counts[reason] = entry.records;
  return counts;
}

void write_ledger(const fs::path& prefix, const Ledger& ledger, const IndexedDatasetWriter::Digests& files) {
  Json skipped = Json::object();
  uint64_t accounted = ledger.documents;
  for (const auto& [reason, entry] : ledger.skipped) {
    skipped[reason] = {{"records", entry.records}, {"first", entry.first}};
    accounted += entry.records;
  }
  if (accounted != ledger.records)
    throw std::logic_error(fmt::format("the ledger of {} accounts for {} of {} records", prefix.string(), accounted,
                                       ledger.records));
  const Json document{{"version", kLedgerVersion},
                      {"work", ledger.work},
                      {"records", ledger.records},
                      {"documents", ledger.documents},
                      {"documents_of_sets", ledger.documents_of_sets},
                      {"tokens", ledger.tokens},
                      {"skipped", skipped},
                      {"unused", ledger.unused},
                      {"passed_over", ledger.passed_over},
                      {"bin", digest_json(files.bin)},
                      {"idx", digest_json(files.idx)}};
  write_file(ledger_path(prefix), json_text(document, 2) + "\n");
}

std::optional<Json> finished_ledger(const fs::path& prefix, const LedgerKey& key, const std::function<bool(const Json&)>& is_good) {
  if (!fs::exists(ledger_path(prefix))) return std::nullopt;
  try {
    Json ledger = read_json(ledger_path(prefix));
    if (ledger.at("version") != key.version || ledger.at("work") != key.work || !is_good(ledger)) return std::nullopt;
    if (ledger.at("passed_over") == Json(key.passed_over)) return ledger;
    ledger["passed_over"] = key.passed_over;
    write_file(ledger_path(prefix), json_text(ledger, 2) + "\n");
    return ledger;
  } catch (const DataError& error) {
    log_warning(fmt::format("{}, the work is done again", error.what()));
  } catch (const Json::exception& error) {
    log_warning(fmt::format("{}: {}, the work is done again", ledger_path(prefix).string(), error.what()));
  }
  return std::nullopt;
}

std::optional<PreprocessReport> finished_work(const fs::path& prefix, const Json& work, const std::vector<std::string>& passed_over) {
  std::optional<PreprocessReport> report;
  finished_ledger(prefix, {kLedgerVersion, work, passed_over}, [&](const Json& ledger) {
    const bool whole = is_whole(bin_path(prefix), ledger.at("bin")) && is_whole(idx_path(prefix), ledger.at("idx"));
    if (whole) report = report_of(prefix, ledger);
    else log_warning(fmt::format("{}.bin or .idx is not as its ledger says, it is made again", prefix.string()));
    return whole;
  });
  return report;
}

}  // namespace ingot::data
