// Speed and loss from the lines of a log, whoever wrote it.
#include <fmt/format.h>

#include <fstream>
#include <numeric>
#include <ostream>
#include <regex>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/yaml_config.h"
#include "workflows/modelarts.h"

namespace ingot::workflows {
namespace fs = std::filesystem;
namespace {

struct Iteration {
  int64_t number = 0, batch = 0;
  double milliseconds = 0, loss = 0;
};

/// Of Megatron's form: CONTRACT §6.2.
std::vector<Iteration> iterations_in(const fs::path& log) {
  static const std::regex form(R"(iteration\s+(\d+)/.*elapsed time per iteration \(ms\): ([0-9.]+).*global batch size:\s*(\d+).*lm loss: ([0-9.eE+-]+|-?nan|-?inf))");
  std::vector<Iteration> found;
  std::ifstream in(log);
  if (!in) throw DataError(fmt::format("{}: cannot be read", log.string()));
  for (std::string line; std::getline(in, line);) {
    std::smatch part;
    if (line.size() > 4096 || !std::regex_search(line, part, form)) continue;
    try {
      found.push_back({std::stoll(part[1]), std::stoll(part[3]), std::stod(part[2]), std::stod(part[4])});
    } catch (const std::exception&) {  // no line of numbers
    }
  }
  return found;
}

/// The log of a job's folder that has iterations, and what the folder knows.
struct JobLogs {
  fs::path log;
  std::vector<Iteration> iterations;
  std::optional<int64_t> seq_length, cards;
};

std::optional<int64_t> length_in(const fs::path& configuration) {
  static const std::regex form(R"((?:^|\n)cutoff_len: (\d+))");
  const std::string text = read_file(configuration);
  std::smatch part;
  return std::regex_search(text, part, form) ? std::optional<int64_t>(std::stoll(part[1])) : std::nullopt;
}

JobLogs read_logs(const fs::path& place) {
  JobLogs logs;
  if (!fs::is_directory(place)) return {place, iterations_in(place), {}, {}};
  int64_t ranks = 0;
  fs::file_time_type newest = fs::file_time_type::min();
  for (const auto& entry : fs::directory_iterator(place)) {
    const auto& file = entry.path();
    if (file.extension() == ".yaml" && entry.last_write_time() > newest)
      if (const auto length = length_in(file)) logs.seq_length = length, newest = entry.last_write_time();
    if (file.extension() != ".log" && file.extension() != ".txt") continue;
    const bool is_last = is_rank_log(file.filename().string());
    ranks += is_last;
    if (!is_last && file.extension() == ".log" && file.filename().string().starts_with("rank_")) continue;  // of an earlier start
    if (auto found = iterations_in(file); found.size() > logs.iterations.size()) logs.log = file, logs.iterations = std::move(found);
  }
  if (ranks > 0) logs.cards = ranks;
  return logs;
}

Json measure(const PerformanceRequest& request) {
  const JobLogs logs = read_logs(request.log);
  if (std::ssize(logs.iterations) <= request.skip)
    throw DataError(fmt::format("{}: found {} lines of iterations, wanted more than the {} that warm up", request.log.string(), logs.iterations.size(), request.skip));
  const auto length = request.seq_length ? request.seq_length : logs.seq_length, cards = request.cards ? request.cards : logs.cards;
  if (!length) throw ConfigError("--seq-length: found none, wanted the tokens of a sample");
  if (!cards) throw ConfigError("--cards: found none, wanted the number of ranks of the job");
  const auto first = logs.iterations.begin() + request.skip;
  const auto count = static_cast<double>(logs.iterations.end() - first);
  const double ms = std::accumulate(first, logs.iterations.end(), 0.0, [](double sum, const Iteration& one) { return sum + one.milliseconds; }) / count;
  const int64_t batch = logs.iterations.back().batch;
  const double a_card = static_cast<double>(batch * *length) / (static_cast<double>(*cards) * ms) * 1000;
  return {{"log", logs.log.string()}, {"iterations", static_cast<int64_t>(count)}, {"elapsed_ms", ms}, {"global_batch_size", batch}, {"seq_length", *length},
          {"cards", *cards}, {"tokens_per_second_per_card", a_card}, {"tokens_per_second", a_card * static_cast<double>(*cards)},
          {"first_loss", logs.iterations.front().loss}, {"last_loss", logs.iterations.back().loss}};
}

void print_row(std::ostream& out, const std::string& name, const Json& job) {
  out << fmt::format("{:<10} {:>10} {:>12.1f} {:>6} {:>8} {:>6} {:>12.1f} {:>12.1f} {:>10.4f} {:>10.4f}\n", name, job.at("iterations").get<int64_t>(), job.at("elapsed_ms").get<double>(),
                     job.at("global_batch_size").get<int64_t>(), job.at("seq_length").get<int64_t>(), job.at("cards").get<int64_t>(),
                     job.at("tokens_per_second_per_card").get<double>(), job.at("tokens_per_second").get<double>(), job.at("first_loss").get<double>(),
                     job.at("last_loss").get<double>());
}

}  // namespace

bool is_rank_log(const std::string& name) {
  static const std::regex form("rank_[0-9]+\\.log");
  return std::regex_match(name, form);
}

int performance(const PerformanceRequest& request, std::ostream& out) {
  Json job = measure(request);
  const Json baseline = request.baseline.empty() ? Json() : read_json(request.baseline);
  const auto ratio = [&] { return job.at("tokens_per_second_per_card").get<double>() / baseline.at("tokens_per_second_per_card").get<double>(); };
  try {
    if (!baseline.is_null()) job["of_baseline"] = ratio();
    if (request.json) {
      out << json_text(job, 1) << "\n";
      return kExitOk;
    }
    out << fmt::format("{:<10} {:>10} {:>12} {:>6} {:>8} {:>6} {:>12} {:>12} {:>10} {:>10}\n", "", "iterations", "ms", "GBS", "SEQ_LEN", "cards", "tokens/s/p", "tokens/s", "first loss",
                       "last loss");
    print_row(out, "this job", job);
    if (baseline.is_null()) return kExitOk;
    print_row(out, "baseline", baseline);
    out << fmt::format("{:.3f} times the baseline's tokens/s/p\n", ratio());
  } catch (const nlohmann::json::exception&) {
    throw DataError(fmt::format("{}: is not what --json prints", request.baseline.string()));
  }
  return kExitOk;
}

}  // namespace ingot::workflows
