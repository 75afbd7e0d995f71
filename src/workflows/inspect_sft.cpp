#include "workflows/inspect_sft.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <ostream>

#include "core/error.h"
#include "data/sft/sample_origins.h"
#include "data/sft/sft_files.h"
#include "data/shards/indexed_layout.h"
#include "data/sft/sft_set.h"

namespace ingot::workflows {
namespace fs = std::filesystem;
namespace {

constexpr const char *kPlain = "\033[0m", *kPromptColors[] = {"\033[90m", "\033[37m"},
                     *kLabelColors[] = {"\033[32m", "\033[92m"}, *kWarningColor = "\033[33m";

std::string quoted(const std::string& text) { return json_text(text); }

void print_warnings(const std::vector<std::string>& warnings, bool color, std::ostream& out) {
  for (const auto& warning : warnings) out << fmt::format("{}warning: {}{}\n", color ? kWarningColor : "", warning, color ? kPlain : "");
}

/// One sample and where it came from.
struct Shown {
  uint64_t number;  // as the user counts, over all data sets
  uint64_t index;   // in its own
  const data::SftSet& set;
  data::SftSample sample;
  data::SampleOrigin origin;
};

Json json_of(const Shown& shown) {
  Json json{{"sample", shown.number},
          {"source", shown.set.source_of(shown.index)},
          {"item", shown.origin.item},
          {"cut_tokens", shown.origin.cut},
          {"template", shown.set.chat->name()},
          {"input_ids", shown.sample.ids},
          {"loss_mask", shown.sample.loss_mask},
          {"text", shown.set.tokenizer->decode(shown.sample.ids)},
          {"warnings", data::warnings_of(shown.set, shown.sample)}};
  if (!shown.sample.weights.empty()) json["weights"] = shown.sample.weights;
  return json;
}

/// Texts of the tokens, each as it reads behind the one before it; tokens that hold parts of one character have theirs
/// at the last of them.
std::vector<std::string> texts_of(const data::Tokenizer& tokenizer, const std::vector<data::TokenId>& ids) {
  std::vector<std::string> texts;
  size_t begin = 0;  // of the window that is decoded
  std::string given;
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string text = tokenizer.decode(std::span(ids).subspan(begin, i + 1 - begin));
    const bool inside_character = text.ends_with("\xEF\xBF\xBD") && i + 1 < ids.size() && i < begin + 5;
    const bool fits = text.starts_with(given);
    texts.push_back(inside_character ? "" : fits ? text.substr(given.size()) : tokenizer.decode(std::span(ids).subspan(i, 1)));
    if (inside_character) continue;
    begin = i;
    given = tokenizer.decode(std::span(ids).subspan(i, 1));
  }
  return texts;
}

/// The running text, neighbouring tokens in two shades, labels green.
void print_text(const Shown& shown, std::ostream& out) {
  const auto texts = texts_of(*shown.set.tokenizer, shown.sample.ids);
  for (size_t i = 0; i < texts.size(); ++i) {
    const bool is_label = shown.sample.loss_mask[i] != data::kNoLabel;
    out << (is_label ? kLabelColors : kPromptColors)[i % 2] << texts[i] << kPlain;
  }
  out << "\n";
}

void print_table(const Shown& shown, std::ostream& out) {
  static constexpr const char* kMarks[] = {"", "label", "eos"};
  const auto texts = texts_of(*shown.set.tokenizer, shown.sample.ids);
  out << fmt::format("{:>8} {:>8} {:>6}  text\n", "position", "id", "loss");
  for (size_t i = 0; i < texts.size(); ++i)
    out << fmt::format("{:>8} {:>8} {:>6}  {}\n", i, shown.sample.ids[i], kMarks[std::min<size_t>(shown.sample.loss_mask[i], 2)],
                       quoted(texts[i]));
}

void print_sample(const Shown& shown, const InspectRequest& request, std::ostream& out) {
  if (request.json) {
    out << json_text(json_of(shown)) << "\n";
    return;
  }
  uint64_t labels = 0;
  for (size_t i = 1; i < shown.sample.loss_mask.size(); ++i) labels += shown.sample.loss_mask[i] != data::kNoLabel;
  out << fmt::format("sample {} from {}{}: template {}, {} tokens, {} labels{}\n", shown.number, shown.set.source_of(shown.index),
                     shown.origin.item > 0 ? fmt::format(", item {}", shown.origin.item) : "", shown.set.chat->name(),
                     shown.sample.ids.size(), labels, shown.origin.cut > 0 ? fmt::format(", cut by {} tokens", shown.origin.cut) : "");
  request.color ? print_text(shown, out) : print_table(shown, out);
  print_warnings(data::warnings_of(shown.set, shown.sample), request.color, out);
}

void print_summary(const data::SftSet& set, bool color, std::ostream& out) {
  const Json& ledger = set.ledger;
  const auto number = [&](const char* pointer) { return ledger.at(Json::json_pointer(pointer)).get<uint64_t>(); };
  out << fmt::format("{}: {} samples of {} records\n", set.prefix.string(), number("/samples"), number("/records"));
  out << fmt::format("  tokens: {} kept, {} of them labels; {} cut, {} left out\n", number("/tokens/kept"), number("/labels"),
                     number("/tokens/cut"), number("/tokens/skipped"));
  out << fmt::format("  template {}, truncation {} at {} tokens\n", set.chat->name(),
                     ledger.at("work").at("options").at("truncation").get<std::string>(), number("/work/options/cutoff_len"));
  for (const auto& [format, records] : ledger.at("handlers").items()) out << fmt::format("  {} records read as {}\n", records.get<uint64_t>(), format);
  for (const auto& [column, records] : ledger.at("unused").items())
    out << fmt::format("  column {} of {} records is not used\n", column, records.get<uint64_t>());
  for (const auto& [reason, entry] : ledger.at("skipped").items())
    out << fmt::format("  {} left out: {}, first {}\n", entry.at("samples").get<uint64_t>(), reason, entry.at("first").at(0).get<std::string>());
  if (number("/cut/samples") > 0)
    out << fmt::format("  {} cut, first {}\n", number("/cut/samples"), ledger.at("cut").at("first").at(0).get<std::string>());
  print_warnings(data::warnings_of(set), color, out);
}

void print_summaries(const std::deque<data::SftSet>& sets, const InspectRequest& request, std::ostream& out) {
  Json all = Json::array();
  for (const auto& set : sets) try {
    if (!request.json) print_summary(set, request.color, out);
    else all.push_back({{"prefix", set.prefix.string()}, {"ledger", set.ledger}, {"warnings", data::warnings_of(set)}});
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("{}: {}", data::ledger_path(set.prefix).string(), error.what()));
  }
  if (request.json) out << json_text(all) << "\n";
}

}  // namespace

std::optional<fs::path> sft_prefix(const fs::path& path) {
  std::string text = path.string();
  const auto drop = [&](const std::string& ending) { if (text.ends_with(ending)) text.resize(text.size() - ending.size()); };
  for (const char* ending : {".bin", ".idx", ".ledger.json", ".origins", "_input_ids_document", "_loss_mask_document", "_loss_weights_document"}) drop(ending);
  if (!fs::exists(data::idx_path(data::SftFiles(text).tokens))) return std::nullopt;
  return text;
}

std::vector<fs::path> sft_prefixes(const config::TrainConfig& config) {
  std::vector<fs::path> prefixes;
  for (size_t set = 1; set <= config.dataset.size(); ++set) prefixes.push_back(config.output_dir / "data" / fmt::format("train_{}", set));
  return prefixes;
}

int inspect_sft(const InspectRequest& request, const std::vector<fs::path>& prefixes, std::ostream& out) {
  std::deque<data::SftSet> sets;
  for (const auto& prefix : prefixes) sets.emplace_back(prefix, request.model);
  if (!request.sample) {
    print_summaries(sets, request, out);
    return kExitOk;
  }
  uint64_t index = *request.sample;
  for (const auto& set : sets) {
    if (index < set.samples.num_samples()) {
      const auto origin = data::SampleOrigins(set.prefix, set.samples.num_samples()).at(index);
      print_sample({*request.sample, index, set, set.read(index), origin}, request, out);
      return kExitOk;
    }
    index -= set.samples.num_samples();
  }
  throw ConfigError(fmt::format("--sample: found {}, wanted below {}", *request.sample, *request.sample - index));
}

}  // namespace ingot::workflows
