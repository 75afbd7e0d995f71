#include "workflows/inspect_pretrain.h"

#include <fmt/format.h>

#include <ostream>

#include "core/error.h"
#include "core/json.h"
#include "data/shards/indexed_layout.h"

namespace ingot::workflows {
namespace fs = std::filesystem;
namespace {

void print_ledger(const Json& ledger, const fs::path& prefix, int64_t seq_length, std::ostream& out) {
  const auto number = [&](const char* key) { return ledger.at(key).get<uint64_t>(); };
  const uint64_t length = static_cast<uint64_t>(seq_length), tokens = number("tokens");
  out << fmt::format("{}: {} documents of {} records\n", prefix.string(), number("documents"), number("records"));
  out << fmt::format("  tokens: {}, {} rows of {}\n", tokens, (tokens + length - 1) / length, length);
  const Json& options = ledger.at("work").at("options");
  out << fmt::format("  text column {}{}\n", options.at("json_key").get<std::string>(),
                     options.at("append_eod").get<bool>() ? fmt::format(", id {} behind every document", options.at("eod_id").get<int64_t>()) : "");
  const Json unused = ledger.value("unused", Json::object());
  for (const auto& [column, records] : unused.items())
    out << fmt::format("  column {} of {} records is not used\n", column, records.get<uint64_t>());
  for (const auto& [reason, entry] : ledger.at("skipped").items())
    out << fmt::format("  {} left out: {}, first {}\n", entry.at("records").get<uint64_t>(), reason, entry.at("first").at(0).get<std::string>());
}

}  // namespace

void inspect_pretrain(const InspectRequest& request, const fs::path& prefix, std::ostream& out) {
  const fs::path file = data::ledger_path(prefix);
  if (!fs::exists(file)) throw ConfigError(fmt::format("{}: not there; `ingot preprocess` makes it", file.string()));
  const Json ledger = read_json(file);
  try {
    if (!request.json) return print_ledger(ledger, prefix, *request.seq_length, out);
    out << Json{{"prefix", prefix.string()}, {"ledger", ledger}}.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("{}: {}", file.string(), error.what()));
  }
}

}  // namespace ingot::workflows
