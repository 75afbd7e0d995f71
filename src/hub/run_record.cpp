#include "hub/run_record.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "checkpoint/adapter_folder.h"
#include "checkpoint/checkpoint_name.h"
#include "checkpoint/hf_index.h"
#include "checkpoint/own_folder.h"
#include "checkpoint/run_checkpoint.h"
#include "core/content_digest.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"
#include "core/output_folder.h"
#include "core/printable.h"
#include "core/sha256.h"
#include "core/utf8.h"
#include "hub/model_files.h"
#include "hub/source_digests.h"
#include "hub/source_weights.h"

namespace ingot::hub {
namespace fs = std::filesystem;
namespace {

using config::TrainConfig;

constexpr const char* kTied = "tie_word_embeddings";
constexpr const char* kWaysOut = "set overwrite_output_dir: true to throw that run away, or name another output_dir";

/// Names of the weight files in a folder, sorted.
std::vector<std::string> weight_names(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string ending = entry.path().extension().string();
    if (ending == ".safetensors" || ending == ".bin") names.insert(entry.path().filename().string());
  }
  return {names.begin(), names.end()};
}

/// Facts of the files that change when they are written to.
Json facts_of(const fs::path& folder) {
  Json facts = Json::object();
  for (const auto& name : weight_names(folder)) {
    struct stat info {};
    if (::stat((folder / name).c_str(), &info) != 0) continue;
    facts[name] = {info.st_size, int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec, info.st_ino, info.st_dev};
  }
  return facts;
}

/// Of the weights alone: PEFT and its trainers leave other .bin files beside them.
std::string adapter_digest(const fs::path& folder) {
  const fs::path file = checkpoint::adapter_weights(folder);
  const std::string all = fmt::format("{} {}\n", file.filename().string(), content_digest(MappedFile(file)));
  return sha256_hex(std::as_bytes(std::span(all)));
}

/// The weights; files that are as `earlier` knew them are not opened again.
Json weights_of(const ModelFolder& base, const Json& earlier) {
  const Json facts = facts_of(base.path());
  const bool is_whole = earlier.is_object() && earlier.contains("digest") && earlier.value(kTied, Json()).is_boolean();
  if (is_whole && earlier.value("files", Json()) == facts) return earlier;
  return {{"files", facts}, {"digest", base.weights_digest()}, {kTied, base.config().tie_word_embeddings}};
}

/// Where the base lies, as the JSON files of a run hold it.
std::string place_of(const fs::path& base) {
  const std::string place = fs::absolute(base).lexically_normal().string();
  if (!is_utf8(place)) throw ConfigError(fmt::format("model_name_or_path: found {}, wanted UTF-8", in_quotes(place)));
  return place;
}

/// What a run is of. `earlier` is an earlier session's, or null.
Json record_of(const TrainConfig& config, const ModelFolder& base, const Json& earlier) {
  const Json weights = earlier.is_object() ? earlier.value("weights", Json()) : Json();
  Json record{{"version", 1},
              {"model_name_or_path", place_of(config.model_name_or_path)},
              {"model_config", base.files().json("config.json")},
              {"tokenizer", base.tokenizer_identity()},
              {"weights", config.train_from_scratch ? Json("from scratch") : weights_of(base, weights)},
              {"stage", config.stage},
              {"finetuning_type", config.finetuning_type},
              {"train_from_scratch", config.train_from_scratch},
              {"template", config.stage == "sft" ? config.sft.chat_template : ""},
              {"adapter_name_or_path", config.adapter_name_or_path.empty() ? "" : adapter_digest(config.adapter_name_or_path)},
              {"config", config.in_effect}};
  if (base.grown_vocabulary()) record["resize_vocab"] = *base.grown_vocabulary();
  return record;
}

/// The record of an earlier session; null when there is none, or a damaged one that may be thrown away. Throws DataError for a
/// damaged one that may not.
Json read_record(const RunFolder& run, bool may_be_thrown_away) try {
  if (!fs::exists(run.record())) return nullptr;
  Json record = read_json(run.record());
  if (!record.is_object() || record.value("version", Json()) != 1 || !record.contains("model_config"))
    throw DataError(fmt::format("{}: is no record of a run of this version; {}", run.record().string(), kWaysOut));
  return record;
} catch (const DataError&) {
  if (!may_be_thrown_away) throw;
  return nullptr;
}

std::string shown(const Json& object, const std::string& field) {
  return object.is_object() && object.contains(field) ? json_text(object[field]) : "nothing";
}

/// Appends the fields of two objects that differ.
void compare_fields(const Json& was, const Json& is, const std::string& prefix, std::vector<std::string>& differences) {
  std::set<std::string> fields;
  for (const auto* object : {&was, &is})
    if (object->is_object())
      for (const auto& [field, value] : object->items()) fields.insert(field);
  for (const auto& field : fields)
    if (field != "_name_or_path" && field != "transformers_version" && shown(was, field) != shown(is, field))
      differences.push_back(fmt::format("{}{}: found {}, was {}", prefix, field, shown(is, field), shown(was, field)));
}

/// What the two records are of, where that is not the same.
std::vector<std::string> differences_of(const Json& was, const Json& is) {
  std::vector<std::string> differences;
  compare_fields(was.value("model_config", Json()), is.value("model_config", Json()), "config.json: ", differences);
  const auto digest = [](const Json& record) {
    const Json weights = record.value("weights", Json());
    return weights.is_object() ? weights.value("digest", "") : "";
  };
  const bool same_start = shown(was, "train_from_scratch") == shown(is, "train_from_scratch");  // else weights and none are compared
  const std::string place = shown(is, "model_name_or_path"), earlier = shown(was, "model_name_or_path");
  if (same_start && was.contains("weights") && digest(was) != digest(is))
    differences.push_back(place == earlier ? fmt::format("base model: the weights in {} have changed", place)
                                           : fmt::format("base model: found the weights in {}, was another in {}", place, earlier));
  if (was.value("tokenizer", Json()) != is.value("tokenizer", Json())) differences.push_back("tokenizer: its files are others");
  for (const char* field : {"stage", "finetuning_type", "train_from_scratch", "template", "resize_vocab"})
    if (shown(was, field) != shown(is, field))
      differences.push_back(fmt::format("{}: found {}, was {}", field, shown(is, field), shown(was, field)));
  if (shown(was, "adapter_name_or_path") != shown(is, "adapter_name_or_path")) differences.push_back("adapter_name_or_path: is another adapter");
  return differences;
}

void check_same_run(const Json& was, const Json& is, const RunFolder& run) {
  if (!was.is_object())
    throw ConfigError(fmt::format("output_dir: {}: holds checkpoints without a run.json; {}", run.path.string(), kWaysOut));
  if (const auto differences = differences_of(was, is); !differences.empty())
    throw ConfigError(fmt::format("output_dir: {}: holds checkpoints of another run: {}; {}", run.path.string(),
                                  fmt::join(differences, "; "), kWaysOut));
}

constexpr const char *kSource = "source", *kLayout = "source layout";

/// Throws ConfigError naming what is to be thrown away or replaced and is not ours, or is behind a link.
void check_disposable(const RunFolder& run, bool has_checkpoints) {
  OutputFolder::check(run.source(), kSource);
  OutputFolder::check(run.layout(), kLayout);
  if (has_checkpoints && fs::is_symlink(run.checkpoints()))
    throw ConfigError(fmt::format("output_dir: {}: is a link, and overwrite_output_dir empties no folder behind one: empty {} yourself, or "
                                  "name another output_dir", run.checkpoints().string(), fs::read_symlink(run.checkpoints()).string()));
}

bool is_of_checkpoints(const fs::path& entry) {
  const std::string name = entry.filename().string();
  if (checkpoint::step_of_name(name)) return checkpoint::is_own_checkpoint(entry);
  return name == checkpoint::kTrackerFile || checkpoint::is_own_staging(entry);
}

/// In one instant, where nothing foreign is among them.
void throw_away_checkpoints(const fs::path& folder) {
  const fs::directory_iterator entries(folder);
  if (std::all_of(begin(entries), end(entries), [](const auto& entry) { return is_of_checkpoints(entry.path()); })) return remove_whole(folder);
  for (const auto& info : checkpoint::list_checkpoints(folder)) remove_whole(info.folder);
  fs::remove(folder / checkpoint::kTrackerFile);
}

/// What an earlier run exported, where nothing foreign has come into it.
void throw_away_export(const fs::path& folder, const std::string& kind) try {
  if (!fs::exists(folder)) return;
  OutputFolder::check(folder, kind);
  remove_whole(folder);
} catch (const ConfigError& error) {
  log_warning(fmt::format("{} stays, it is of the run that was thrown away: {}", folder.string(), error.what()));
}

void throw_away(const RunFolder& run) {
  if (fs::exists(run.checkpoints()) && !fs::is_symlink(run.checkpoints())) throw_away_checkpoints(run.checkpoints());
  for (const auto& folder : {run.source(), run.layout()})
    if (fs::exists(folder)) remove_whole(folder);
  fs::remove(run.path / "metrics.jsonl");
}

/// Generation settings are no part of what a run is of, and its exports have those that it copied.
void tell_kept_generation_config(const ModelFolder& base, const RunFolder& run) {
  const char* name = "generation_config.json";
  const FolderFiles kept(run.source());
  const auto text_in = [&](const FolderFiles& files) { return files.has(name) ? files.text(name).text : std::string_view(); };
  if (text_in(base.files()) != text_in(kept))
    log_info(fmt::format("the run keeps the {} that it started with: {} has another now", name, base.path().string()));
}

void write_source(const TrainConfig& config, const ModelFolder& base, const RunFolder& run) {
  for (const auto& folder : {run.source(), run.layout()})
    if (fs::exists(folder)) remove_whole(folder);
  OutputFolder layout(run.layout(), kLayout), source(run.source(), kSource);
  if (!config.train_from_scratch) keep_weight_layout(base, layout.path());
  copy_companion_files(base.files(), source.path());
  if (base.grown_vocabulary()) write_vocabulary_size(source.path(), *base.grown_vocabulary());
  write_source_digests(layout.path(), source.path());
  layout.publish();
  source.publish();
}

}  // namespace

RunStart::RunStart(const TrainConfig& config, const ModelFolder& base, const RunFolder& run, bool is_spread)
    : config_(config), base_(base), run_(run), has_checkpoints_(!checkpoint::list_checkpoints(run.checkpoints()).empty()),
      lacks_source_(is_spread && !fs::exists(run.source())) {
  const Json was = read_record(run, config.overwrite_output_dir);
  record_ = record_of(config, base, was);
  if (!config.overwrite_output_dir && has_checkpoints_) check_same_run(was, record_, run);
  if (has_checkpoints_) differences_ = was.is_object() ? differences_of(was, record_) : std::vector<std::string>{"run.json: is missing or damaged"};
  overwrites_ = config.overwrite_output_dir && (!has_checkpoints_ || !differences_.empty());
  if (!goes_on()) check_disposable(run, has_checkpoints_);
  else if (!config.overwrite_output_dir && !lacks_source_) check_source_digests(run);
}

void RunStart::settle(const std::vector<std::string>& differences) {
  if (!config_.overwrite_output_dir || !goes_on()) return;
  differences_ = differences;
  overwrites_ = !differences.empty();
  if (overwrites_) return check_disposable(run_, has_checkpoints_);
  if (!lacks_source_) check_source_digests(run_);
  log_info(fmt::format("{}: this very run was started again: it goes on from its checkpoints, which overwrite_output_dir keeps",
                       run_.path.string()));
}

bool RunStart::tie_word_embeddings() const {
  const Json& weights = record_["weights"];
  return weights.is_object() ? weights[kTied].get<bool>() : base_.stated_config().tie_word_embeddings;
}

void RunStart::begin() const {
  if (overwrites_ && has_checkpoints_) {
    log_warning(fmt::format("overwrite_output_dir: throwing away the checkpoints and exports of another run in {}: {}", run_.path.string(),
                            fmt::join(differences_, "; ")));
    throw_away_export(run_.adapter(), "adapter");
    throw_away_export(run_.model(), "model");
  }
  if (overwrites_) throw_away(run_);
  write_file(run_.record(), json_text(record_, 1) + "\n");
  if (goes_on() && !lacks_source_) tell_kept_generation_config(base_, run_);
  else write_source(config_, base_, run_);
}

std::vector<std::string> record_differences(const Json& was, const Json& is) {
  return was.is_object() && is.is_object() ? differences_of(was, is) : std::vector<std::string>();
}

bool has_tied_head(const RunFolder& run) {
  const Json record = read_json(run.record());
  const Json weights = record.is_object() ? record.value("weights", Json()) : Json();
  const Json tied = weights.is_object() ? weights.value(kTied, Json()) : Json();
  if (!tied.is_boolean()) throw DataError(fmt::format("{}: weights.{}: found {}, wanted true or false", run.record().string(), kTied, tied.dump()));
  return tied.get<bool>();
}

}  // namespace ingot::hub
