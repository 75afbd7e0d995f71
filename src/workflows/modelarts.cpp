#include "workflows/modelarts.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <ostream>

#include "checkpoint/checkpoint_list.h"
#include "checkpoint/checkpoint_name.h"
#include "config/ascend_factory.h"
#include "config/modelarts.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"
#include "core/words.h"
#include "hub/run_folder.h"
#include "workflows/launch.h"

extern char** environ;

namespace ingot::workflows {
namespace fs = std::filesystem;
namespace {

using config::ModelArtsJob;

std::map<std::string, std::string> whole_environment() {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (const size_t end = text.find('='); end != text.npos) all[text.substr(0, end)] = text.substr(end + 1);
  }
  return all;
}

/// Accelerators that the job may use: what it was given, else the device files.
int64_t count_devices(const std::map<std::string, std::string>& environment) {
  for (const char* name : {"ASCEND_RT_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"})
    if (const auto given = environment.find(name); given != environment.end() && !given->second.empty())
      return std::count(given->second.begin(), given->second.end(), ',') + 1;
  int64_t count = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/dev", error)) {
    const std::string name = entry.path().filename().string();
    const auto is_numbered = [&](std::string_view stem) {
      return name.size() > stem.size() && name.starts_with(stem) && std::all_of(name.begin() + std::ssize(stem), name.end(), [](unsigned char c) { return std::isdigit(c); });
    };
    count += is_numbered("davinci") || is_numbered("nvidia");
  }
  return count;
}

/// Columns as wide as their longest value.
void print_table(const ModelArtsJob& job, std::ostream& out) {
  size_t variable = 8, value = 5, origin = 10;
  for (const auto& one : job.settings)
    variable = std::max(variable, one.variable.size()), value = std::max(value, std::min<size_t>(one.value.size(), 60)), origin = std::max(origin, one.origin.size());
  out << fmt::format("{:<{}}  {:<{}}  {:<{}}  {}\n", "variable", variable, "value", value, "where from", origin, "key");
  for (const auto& one : job.settings)
    out << fmt::format("{:<{}}  {:<{}}  {:<{}}  {}\n", one.variable.empty() ? "-" : one.variable, variable, one.value, value, one.origin, origin, one.key.empty() ? "-" : one.key);
  for (const auto& remark : job.remarks) out << "note: " << remark << "\n";
  out.flush();
}

/// A relative link, so that the folders may be moved together. Another node may make it at the same time.
void make_link(const fs::path& link, const fs::path& to) {
  const fs::path place = fs::absolute(link).lexically_normal();
  make_folder(place.parent_path());
  const fs::path target = fs::absolute(to).lexically_normal().lexically_relative(fs::weakly_canonical(place.parent_path()));
  std::error_code error;
  if (fs::is_symlink(place)) {
    const std::string end = fs::read_symlink(place).filename().string();
    if (fs::read_symlink(place) == target) return;
    if (end != "checkpoints" && end != "data" && end != "model")
      throw ConfigError(fmt::format("{}: is a link to {}, and none of this program to {}: move it away", link.string(), fs::read_symlink(place).string(), to.string()));
    fs::remove(place, error);
  } else if (fs::exists(place)) {
    throw ConfigError(fmt::format("{}: is there, and is no link of this program to {}: move it away", link.string(), to.string()));
  }
  fs::create_symlink(target, place, error);
  if (error && !fs::is_symlink(place)) throw CommError(fmt::format("{}: the link to {} cannot be made: {}", link.string(), to.string(), error.message()));
}

void make_links(const ModelArtsJob& job) {
  const hub::RunFolder run(fs::absolute(job.folders.run));
  make_folder(run.path.parent_path());
  const fs::path saved = fs::canonical(run.path.parent_path()) / run.path.filename();
  make_link(job.folders.checkpoints, hub::RunFolder(saved).checkpoints());
  make_link(job.folders.data, hub::RunFolder(saved).data());
  if (job.converts_to_hf) make_link(job.folders.exported, hub::RunFolder(saved).model());
}

/// A run that is to begin anew where one has begun.
void check_place(const ModelArtsJob& job) {
  if (!job.must_begin || checkpoint::list_checkpoints(hub::RunFolder(job.folders.run).checkpoints()).empty()) return;
  throw ConfigError(fmt::format("CKPT_LOAD_TYPE: the run would begin anew, but {} holds checkpoints of an earlier one: set MA_TRAIN_AUTO_RESUME=1 or CKPT_LOAD_TYPE=2 to go on "
                                "from them, or another OUTPUT_SAVE_DIR, or remove {}", job.folders.checkpoints.string(), job.folders.run.string()));
}

/// Gives the run the checkpoint of another one, and what that was a run of: the tracked step, so a hand may have chosen it. Node 0 does so, before
/// the ranks of any node start.
void take_checkpoint(const ModelArtsJob& job) {
  const hub::RunFolder run(job.folders.run);
  if (job.node_rank > 0 || !job.goes_on_from) return;
  if (fs::exists(run.checkpoints()) && fs::equivalent(*job.goes_on_from, run.checkpoints())) return;
  if (!checkpoint::list_checkpoints(run.checkpoints()).empty()) {
    log_info(fmt::format("USER_CONVERTED_CKPT_PATH is not read: {} has checkpoints of its own, which come first", job.folders.checkpoints.string()));
    return;
  }
  const fs::path from = fs::canonical(*job.goes_on_from);
  const hub::RunFolder other(from.filename() == run.checkpoints().filename() ? from.parent_path() : from);
  const auto step = checkpoint::tracked_step(other.checkpoints());
  const fs::path chosen = other.checkpoints() / checkpoint::checkpoint_name(step.value_or(-1));
  if (!step || !fs::is_directory(chosen) || !fs::is_regular_file(other.record()))
    throw ConfigError(fmt::format("USER_CONVERTED_CKPT_PATH: {}: found no checkpoint of a run of this program, wanted its saved_models folder, whose {} names a step that is there",
                                  job.goes_on_from->string(), checkpoint::kTrackerFile));
  const fs::path taken = fs::path(run.path) += ".taken";  // a copy that was cut short is no checkpoint
  fs::remove_all(taken);
  make_folder(taken);
  make_folder(run.checkpoints());
  for (const auto& part : {other.source(), other.layout(), other.record()})
    if (fs::exists(part)) fs::copy(part, taken / part.filename(), fs::copy_options::recursive);
  fs::copy(chosen, taken / chosen.filename(), fs::copy_options::recursive);
  for (const auto& part : {run.source(), run.layout(), run.record(), run.checkpoints() / chosen.filename()}) {
    const fs::path from_copy = taken / part.filename();
    if (!fs::exists(from_copy)) continue;
    fs::remove_all(part);
    fs::rename(from_copy, part);
  }
  write_file(run.checkpoints() / checkpoint::kTrackerFile, std::to_string(*step));
  fs::remove_all(taken);
  log_info(fmt::format("going on from step {} of {}", *step, other.path.string()));
}

/// An earlier start's logs get the time of their last line into their names: rank_0.20261130-183000.log.
void keep_earlier_logs(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> logs;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (is_rank_log(entry.path().filename().string())) logs.push_back(entry.path());
  for (const auto& log : logs) {
    const auto time = std::chrono::floor<std::chrono::seconds>(std::chrono::file_clock::to_sys(fs::last_write_time(log)));
    fs::rename(log, folder / fmt::format("{}.{:%Y%m%d-%H%M%S}.log", log.stem().string(), time), error);
  }
}

fs::path write_configuration(const ModelArtsJob& job) {
  make_folder(job.folders.logs);
  const fs::path file = fs::absolute(job.folders.configuration), own = fs::path(file) += fmt::format(".node_{}", job.node_rank);
  write_file(own, "# Written by ingot modelarts from the variables of the job.\n" + job.yaml());  // nodes do so at the same time
  std::error_code error;
  fs::rename(own, file, error);
  if (error) throw CommError(fmt::format("{}: cannot be put in place: {}", file.string(), error.message()));
  return file;
}

/// SN is typed by hand; what was read is in the ledgers.
void compare_samples(const ModelArtsJob& job) {
  if (!job.samples) return;
  int64_t found = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(hub::RunFolder(job.folders.run).data(), error))
    if (const std::string name = entry.path().filename().string(); name.starts_with("train") && name.ends_with(".ledger.json"))
      found += read_json(entry.path()).value("records", int64_t{0});
  if (found > 0 && found != *job.samples)
    log_warning(fmt::format("SN: found {}, but the data has {} samples: all of them are used, and the steps follow from EPOCH or TRAIN_ITERS", *job.samples, found));
}

int start(const ModelArtsJob& job, const fs::path& file, const std::string& verb) {
  LaunchRequest request;
  request.command = {verb, file.string()};
  request.nproc = verb == "train" ? job.ranks_per_node : 1;
  if (verb == "train" && job.num_nodes > 1) request.nnodes = job.num_nodes, request.node_rank = job.node_rank, request.master_addr = job.master_addr, request.master_port = job.master_port;
  else request.nnodes = 1, request.node_rank = 0;
  request.log_dir = job.folders.logs;
  return launch(request);
}

/// This program again, in place of this process.
int export_run(const ModelArtsJob& job) {
  const std::string self = fs::read_symlink("/proc/self/exe").string(), run = job.folders.run.string();
  ::execl(self.c_str(), "ingot", "export", run.c_str(), nullptr);
  throw CommError(fmt::format("{}: cannot be started: {}", self, std::strerror(errno)));
}

/// Of the arguments behind a YAML file of AscendFactory: "MODEL EXP --env.NNODES=2 --af_output_dir=out".
ModelArtsJob read_factory_job(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment) {
  std::vector<std::string> names, overrides;
  for (const auto& argument : arguments) argument.starts_with("--") ? overrides.push_back(argument.substr(2)) : names.push_back(argument);
  if (names.size() != 1 && names.size() != 3)
    throw ConfigError(fmt::format("found {}, wanted a YAML file alone, or with a model and an experiment of it", fmt::join(names, " ")));
  auto factory = config::read_ascend_factory(names[0], names.size() == 3 ? names[1] : "", names.size() == 3 ? names[2] : "", overrides);
  for (const char* name : {"MASTER_ADDR", "MASTER_PORT", "NNODES", "NODE_RANK", "NPUS_PER_NODE"})
    if (const auto found = environment.find(name); found != environment.end()) factory.variables.insert(*found);
  auto of_process = environment;
  for (const auto& [name, value] : factory.variables) {
    if (is_one_of(name, config::modelarts_names())) continue;
    ::setenv(name.c_str(), value.c_str(), /*overwrite=*/1);  // GLOO_SOCKET_IFNAME and the like are for the ranks
    of_process[name] = value;
  }
  std::erase_if(factory.variables, [](const auto& one) { return !is_one_of(one.first, config::modelarts_names()); });
  auto job = config::read_modelarts(factory.variables, factory.arguments, count_devices(of_process), factory.output);
  job.remarks.insert(job.remarks.begin(), factory.remarks.begin(), factory.remarks.end());
  return job;
}

ModelArtsJob read_job(const std::vector<std::string>& arguments, bool only_exports) {
  auto environment = whole_environment();
  if (only_exports) {  // which needs neither data nor weights
    environment.insert({"ORIGINAL_TRAIN_DATA_PATH", "-"});
    if (const auto name = environment.find("MODEL_NAME"); name != environment.end()) environment.insert({"ORIGINAL_HF_WEIGHT", name->second});
  }
  const bool is_factory = !arguments.empty() && !arguments.front().starts_with("--");
  return is_factory ? read_factory_job(arguments, environment) : config::read_modelarts(environment, arguments, count_devices(environment));
}

}  // namespace

int modelarts(const ModelArtsRequest& request, std::ostream& out) {
  const auto job = read_job(request.arguments, request.step == ModelArtsStep::kExport);
  if (request.step == ModelArtsStep::kConfig) {
    out << job.yaml();
    return kExitOk;
  }
  print_table(job, out);
  if (request.step == ModelArtsStep::kEnv || request.dry_run) return kExitOk;
  if (request.step == ModelArtsStep::kExport) {
    make_link(job.folders.exported, hub::RunFolder(fs::absolute(job.folders.run)).model());
    return export_run(job);
  }
  if (request.step == ModelArtsStep::kTrain) check_place(job), take_checkpoint(job);
  make_links(job);
  const fs::path file = write_configuration(job);
  if (job.node_rank == 0) keep_earlier_logs(job.folders.logs);
  const int exit_code = start(job, file, request.step == ModelArtsStep::kTrain ? "train" : "preprocess");
  if (exit_code == kExitOk) compare_samples(job);
  return exit_code;
}

}  // namespace ingot::workflows
