#include "workflows/plan_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ostream>
#include <tuple>

#include "core/progress.h"
#include "train/plan/layout_rules.h"

namespace ingot::workflows {
namespace {

std::string shown(double bytes) { return format_count(bytes, "B"); }
std::string shown(int64_t bytes) { return format_count(static_cast<double>(bytes), "B"); }

Json to_json(const train::RunShape& shape) {
  const auto& layout = shape.layout;
  return {{"devices", layout.num_ranks()}, {"dp", layout.dp}, {"tp", layout.tp}, {"pp", layout.pp}, {"cp", layout.cp}, {"ep", layout.ep},
          {"virtual_stages", layout.virtual_stages}, {"zero", shape.zero_stage}, {"recompute", word_of(shape.recompute)},
          {"micro_batch_size", shape.micro_batch}, {"global_batch_size", shape.global_batch}, {"cutoff_len", shape.seq_length}, {"precision", shape.value_bytes == 2 ? "bf16" : "fp32"}};
}

Json to_json(const train::RankMemory& rank, int64_t program) {
  return {{"weights", rank.weights}, {"gradients", rank.gradients}, {"optimizer", rank.optimizer}, {"activations", rank.activations},
          {"merge", rank.merge}, {"program", program}, {"total", rank.total() + program}};
}

Json to_json(const train::StepTraffic& traffic) {
  const auto whole = [](double bytes) { return static_cast<int64_t>(bytes); };
  return {{"tensor", whole(traffic.tensor)}, {"context", whole(traffic.context)}, {"pipeline", whole(traffic.pipeline)},
          {"expert", whole(traffic.expert)}, {"data", whole(traffic.data)},       {"total", whole(traffic.total())}};
}

Json to_json(const train::StepTime& time, double flops, int64_t micro_batches) {
  Json ranks = Json::array();
  for (const auto& [spent, waiting] : time.ranks)
    ranks.push_back({{"compute_seconds", spent.compute}, {"exchange_seconds", spent.exchange}, {"memory_seconds", spent.memory}, {"waiting_seconds", waiting}});
  return {{"seconds", time.seconds}, {"compute_seconds", time.compute}, {"exchange_seconds", time.exchange}, {"memory_seconds", time.memory},
          {"bubble", time.bubble}, {"tokens_per_second", time.tokens_per_second}, {"rate_share", time.rate_share}, {"flops", flops},
          {"micro_batches", micro_batches}, {"ranks", ranks}};
}

Json line_of(const train::Estimate& estimate, int64_t program) {
  return {{"layout", to_json(estimate.shape)}, {"total", estimate.rank.total() + program}, {"seconds", estimate.time.seconds},
          {"tokens_per_second", estimate.time.tokens_per_second}};
}

Json to_json(const train::Hardware& hardware) {
  return {{"flops", hardware.flops}, {"link", hardware.link}, {"network", hardware.network}, {"latency", hardware.latency},
          {"memory_rate", hardware.memory_rate}, {"layer", hardware.layer}, {"at_once", hardware.at_once}, {"disk", hardware.disk},
          {"devices_per_node", hardware.devices_per_node}};
}

std::string count_words(int64_t values) {
  const auto number = static_cast<double>(values);
  return values >= 100'000'000 ? fmt::format("{:.3f} B parameters", number / 1e9) : format_count(number, "parameters");
}

std::string seconds_words(double seconds) {
  if (seconds < 100) return fmt::format("{:.2f} s", seconds);
  return seconds < 6000 ? fmt::format("{:.0f} s", seconds) : fmt::format("{:.1f} h", seconds / 3600);
}

std::string fit_words(const PlanAnswer& answer) {
  const auto& room = answer.question.room;
  return fmt::format("{}: {} of {} a rank", answer.fits ? "fits" : "DOES NOT FIT", shown(answer.chosen.rank.total() + room.program),
                     shown(room.memory));
}

/// Where the parts of a rank's traffic go, largest axes named.
std::string traffic_words(const train::StepTraffic& traffic) {
  std::vector<std::string> words;
  for (const auto& [name, bytes] : {std::pair{"tp", traffic.tensor}, {"cp", traffic.context}, {"pp", traffic.pipeline}, {"ep", traffic.expert},
                                    {"dp", traffic.data}})
    if (bytes > 0) words.push_back(fmt::format("{} {}", name, shown(bytes)));
  return words.empty() ? "nothing" : fmt::format("{}", fmt::join(words, ", "));
}

void print_rank(const PlanAnswer& answer, std::ostream& out) {
  const auto& chosen = answer.chosen;
  const int64_t stages = chosen.shape.layout.pp;
  out << fmt::format("a rank{}\n", stages > 1 ? fmt::format(" (of stage {} of {}, the fullest)", chosen.stage, stages) : "");
  const auto& rank = chosen.rank;
  for (const auto& [name, bytes] : {std::pair{"weights", rank.weights}, {"gradients", rank.gradients}, {"optimizer", rank.optimizer},
                                    {"activations", rank.activations}, {"merge", rank.merge}, {"program", answer.question.room.program}})
    if (bytes > 0) out << fmt::format("  {:<12}{:>12}\n", name, shown(bytes));
  const int64_t total = rank.total() + answer.question.room.program;
  out << fmt::format("  {:<12}{:>12}  in the fullest moment of a step\n", "total", shown(total));
  std::vector<std::string> kinds;
  for (const auto& other : answer.by_recompute)
    kinds.push_back(fmt::format("{} {} (total {})", word_of(other.shape.recompute), shown(other.rank.most_activations),
                                shown(other.rank.total() + answer.question.room.program)));
  out << fmt::format("  activations by recompute: {}\n", fmt::join(kinds, ", "));
}

void print_step(const PlanAnswer& answer, std::ostream& out) {
  const auto& [shape, time, hardware] = std::tie(answer.chosen.shape, answer.chosen.time, answer.question.hardware);
  out << fmt::format("a step: {} ({} of arithmetic, {} of exchange, {} of sums and update, bubble {:.0f}%), {} a second, {:.0f}% of the matrix rate; {} micro-batches a rank\n",
                     seconds_words(time.seconds), seconds_words(time.compute), seconds_words(time.exchange), seconds_words(time.memory), 100 * time.bubble,
                     format_count(time.tokens_per_second, "tokens"), 100 * time.rate_share, shape.micro_batches());
  out << fmt::format("  a rank sends: {}\n", traffic_words(answer.chosen.traffic));
  out << fmt::format("a checkpoint: {}, {} to write\n", shown(answer.checkpoint.bytes), seconds_words(answer.checkpoint.seconds));
  out << fmt::format("assumed: {:.3g} TFLOP/s a device in matrix products, {:.3g} GB/s in a node, {:.3g} between nodes, {:.3g} us a message, {:.3g} GB/s in memory, {:.3g} to disk; nothing overlaps\n",
                     hardware.flops / 1e12, hardware.link / 1e9, hardware.network / 1e9, hardware.latency * 1e6, hardware.memory_rate / 1e9, hardware.disk / 1e9);
}

void print_layouts(const PlanAnswer& answer, std::ostream& out) {
  const int64_t program = answer.question.room.program;
  if (!answer.fits && answer.change.to)
    out << fmt::format("to make it fit: {}: {}, {} a step\n", answer.change.words, shown(answer.change.to->rank.total() + program),
                       seconds_words(answer.change.to->time.seconds));
  if (!answer.fits && !answer.change.to)
    out << "no number of such devices holds it: fewer tokens a row (cutoff_len) or finetuning_type: lora need less\n";
  if (answer.others.empty()) return;
  out << "other layouts that fit, fastest first\n";
  for (const auto& other : answer.others)
    out << fmt::format("  {:<68}{:>10}{:>10} a step\n", layout_words(other.shape), shown(other.rank.total() + program),
                       seconds_words(other.time.seconds));
}

}  // namespace

std::string layout_words(const train::RunShape& shape) {
  std::string words = to_string(shape.layout);
  if (shape.zero_stage > 0) words += fmt::format(", zero {}", shape.zero_stage);
  if (shape.layout.virtual_stages > 1) words += fmt::format(", {} virtual stages", shape.layout.virtual_stages);
  return words + ", recompute " + word_of(shape.recompute);
}

std::string memory_words(const train::RankMemory& rank, int64_t program) {
  return fmt::format("{} ({} of weights, {} of gradients, {} of the optimizer, {} of activations, {}{} of the program)",
                     shown(rank.total() + program), shown(rank.weights), shown(rank.gradients), shown(rank.optimizer), shown(rank.activations),
                     rank.merge > 0 ? shown(rank.merge) + " of the merge behind it, " : "", shown(program));
}

Json to_json(const PlanAnswer& answer) {
  const auto& [chosen, room] = std::tie(answer.chosen, answer.question.room);
  Json stages = Json::array(), others = Json::array(), by_recompute = Json::object();
  for (const auto& stage : answer.stages) stages.push_back(to_json(stage, room.program));
  for (const auto& other : answer.others) others.push_back(line_of(other, room.program));
  for (const auto& one : answer.by_recompute)
    by_recompute[word_of(one.shape.recompute)] = {{"activations", one.rank.most_activations}, {"total", one.rank.total() + room.program}, {"seconds", one.time.seconds}};
  Json change;
  if (answer.change.to) change = line_of(*answer.change.to, room.program), change["words"] = answer.change.words;
  return {{"model", answer.question.name}, {"parameters", answer.parameters}, {"trained_parameters", answer.trained},
          {"devices", chosen.shape.layout.num_ranks()}, {"memory", room.memory}, {"fits", answer.fits},
          {"layout", to_json(chosen.shape)}, {"per_rank", to_json(chosen.rank, room.program)}, {"fullest_stage", chosen.stage}, {"stages", stages}, {"recompute", by_recompute},
          {"communication", to_json(chosen.traffic)}, {"step", to_json(chosen.time, chosen.flops, chosen.shape.micro_batches())},
          {"checkpoint", {{"bytes", answer.checkpoint.bytes}, {"seconds", answer.checkpoint.seconds}}}, {"layouts", others}, {"change", change},
          {"assumed", to_json(answer.question.hardware)}};
}

void print(const PlanAnswer& answer, std::ostream& out) {
  const auto& shape = answer.chosen.shape;
  const std::string trained = shape.tuning.lora ? fmt::format("{} trained (lora)", count_words(answer.trained)) : "all trained";
  out << fmt::format("{}: {}, {}, {}, rows of {} tokens, {} a step, {} at a time\n", answer.question.name, count_words(answer.parameters), trained,
                     shape.value_bytes == 2 ? "bf16" : "fp32", shape.seq_length, shape.global_batch, shape.micro_batch);
  const int64_t devices = shape.layout.num_ranks();
  out << fmt::format("{} device{}: {}; {}\n", devices, devices == 1 ? "" : "s", layout_words(shape), fit_words(answer));
  print_rank(answer, out);
  print_step(answer, out);
  print_layouts(answer, out);
}

void print_table(const std::vector<PlanAnswer>& answers, std::ostream& out) {
  for (const auto& answer : answers) {
    const std::string need = shown(answer.chosen.rank.total() + answer.question.room.program);
    out << fmt::format("{:<14} {:>8.2f}B  ", answer.question.name, static_cast<double>(answer.parameters) / 1e9);
    const auto& [chosen, seconds] = std::tie(answer.chosen.shape, answer.chosen.time.seconds);
    if (answer.fits) out << fmt::format("fits: {}, {} a rank, {} a step\n", layout_words(chosen), need, seconds_words(seconds));
    else out << fmt::format("does not fit: {} a rank{}\n", need, answer.change.to ? "; " + answer.change.words : "");
  }
}

}  // namespace ingot::workflows
