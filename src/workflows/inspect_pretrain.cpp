#include "workflows/inspect_pretrain.h"

#include <fmt/format.h>

#include <functional>
#include <optional>
#include <ostream>

#include "core/error.h"
#include "core/json.h"
#include "data/shards/indexed_layout.h"

namespace ingot::workflows {
namespace fs = std::filesystem;
namespace {

/// Reads of the ledger beside `prefix` what is wanted.
void read_ledger(const fs::path& prefix, const std::function<void(const Json&)>& read) {
  const fs::path file = data::ledger_path(prefix);
  if (!fs::exists(file)) throw ConfigError(fmt::format("{}: not there; `ingot preprocess` makes it", file.string()));
  const Json ledger = read_json(file);
  try {
    read(ledger);
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("{}: {}", file.string(), error.what()));
  }
}

data::RowCuts cuts_by(const Json& ledger, const PretrainData& data, const data::IndexedDataset& tokens, int64_t seq_length) {
  const auto documents = [&] { return ledger.at("documents_of_sets").get<std::vector<uint64_t>>(); };
  return data::RowCuts(data.sets.empty() ? std::vector{tokens.num_tokens()} : data::ends_of_sets(tokens, documents()), seq_length);
}

void print_sets(const Json& ledger, const PretrainData& data, const data::RowCuts& cuts, std::ostream& out) {
  for (size_t set = 0; set < data.sets.size(); ++set)
    out << fmt::format("  {}: {} documents, {} rows\n", data.sets[set], ledger.at("documents_of_sets").at(set).get<uint64_t>(),
                       cuts.first_row(set + 1) - cuts.first_row(set));
}

void print_ledger(const Json& ledger, const PretrainData& data, int64_t seq_length, std::ostream& out) {
  const auto number = [&](const char* key) { return ledger.at(key).get<uint64_t>(); };
  const auto cuts = cuts_by(ledger, data, data::IndexedDataset(data.prefix), seq_length);
  out << fmt::format("{}: {} documents of {} records\n", data.prefix.string(), number("documents"), number("records"));
  out << fmt::format("  tokens: {}, {} rows of {}\n", number("tokens"), cuts.num_rows(), seq_length);
  print_sets(ledger, data, cuts, out);
  const Json& options = ledger.at("work").at("options");
  out << fmt::format("  text column {}{}\n", options.at("json_key").get<std::string>(),
                     options.at("append_eod").get<bool>() ? fmt::format(", id {} behind every document", options.at("eod_id").get<int64_t>()) : "");
  for (const auto& [column, records] : ledger.at("unused").items())
    out << fmt::format("  column {} of {} records is not used\n", column, records.get<uint64_t>());
  for (const auto& [reason, entry] : ledger.at("skipped").items())
    out << fmt::format("  {} left out: {}, first {}\n", entry.at("records").get<uint64_t>(), reason, entry.at("first").at(0).get<std::string>());
}

}  // namespace

PretrainData pretrain_data(const config::TrainConfig& config) {
  const fs::path prefix = config.output_dir / "data" / fmt::format("train_{}_document", config.json_keys.at(0));
  return {prefix, config.mix.is_plain() ? std::vector<std::string>{} : config.dataset};
}

data::RowCuts cuts_of(const PretrainData& data, const data::IndexedDataset& tokens, int64_t seq_length) {
  if (data.sets.empty()) return cuts_by({}, data, tokens, seq_length);  // a stream needs no ledger
  std::optional<data::RowCuts> cuts;
  read_ledger(data.prefix, [&](const Json& ledger) { cuts = cuts_by(ledger, data, tokens, seq_length); });
  return *cuts;
}

void inspect_pretrain(const InspectRequest& request, const PretrainData& data, std::ostream& out) {
  read_ledger(data.prefix, [&](const Json& ledger) {
    if (!request.json) return print_ledger(ledger, data, *request.seq_length, out);
    out << json_text(Json{{"prefix", data.prefix.string()}, {"ledger", ledger}}) << "\n";
  });
}

}  // namespace ingot::workflows
