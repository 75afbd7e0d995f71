#include "train/loop.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "checkpoint/run_checkpoint.h"
#include "core/error.h"
#include "core/file.h"
#include "core/lease.h"
#include "core/log.h"
#include "core/stop.h"
#include "core/trace.h"
#include "monitor/metrics.h"
#include "train/console.h"
#include "train/loop_identity.h"
#include "train/peak_rate.h"
#include "train/ranks_agree.h"
#include "train/run_state.h"
#include "train/session_start.h"
#include "train/step.h"

namespace ingot::train {
namespace {

using Clock = std::chrono::steady_clock;

/// Of the rows that are evaluated: eval_batches may leave some out.
std::string eval_identity_of(const LoopConfig& config) {
  if (config.eval_identity.empty()) return {};
  return config.eval_batches == 0 ? config.eval_identity : fmt::format("{}, {} rows", config.eval_identity, config.eval_batches * config.batch.micro_batch);
}

/// Steps of all sessions. Where an earlier one, of fewer epochs, ended with a short batch, the rows that are left decide.
int64_t steps_in_all(const LoopConfig& config, const RunPosition& position) {
  if (!config.max_samples) return config.max_steps;
  const uint64_t left = *config.max_samples - std::min(*config.max_samples, position.consumed_samples);
  return position.step + steps_of_samples(left, config.batch.global_batch);
}

/// What rank 0 alone writes.
struct Written {
  Written(const LoopConfig& config, int64_t resumed_step, int64_t steps_left)
      : metrics(config.output_dir / "metrics.jsonl", resumed_step), console(steps_left, config.logging_steps) {}
  monitor::MetricsWriter metrics;
  Console console;
};

/// All ranks write a checkpoint together, each what it is the first to hold.
/// `savers`: they, too, for the threads that save beside the steps.
checkpoint::Writers writers_of(const Disks& disks, const std::unique_ptr<parallel::Communicator>& savers) {
  return {{disks.world->rank(), disks.world->size()}, disks.leads(), disks.count,
          [&disks](const std::string& text) { return text_of_first_rank(*disks.own, text); },
          [&savers](const std::string& text) { return texts_to_first_rank(*savers, text); },
          [&savers](const std::string& text) { return text_of_first_rank(*savers, text); }};
}

/// One session of a run. Saving and evaluating happen between two steps and nowhere else; a stop inside a step gives it up.
class Loop {
 public:
  Loop(model::CausalLm& model, const DataSource& train, const std::vector<EvaluationSet>& eval, const LoopConfig& config,
       const parallel::Mesh& mesh)
      : model_(model), train_(train), eval_(eval), config_(config), mesh_(mesh), ranks_(mesh.world), only_disk_(mesh.world),
        disks_(config.disks ? *config.disks : only_disk_), identity_(identity_of(config, model, train)),
        eval_identity_(eval_identity_of(config)), optimizer_(model.parameters, config.optimizer_of_run(), mesh), position_(start()),
        max_steps_(steps_in_all(config, position_)), saved_step_(position_.step) {
    schedule_ = config.schedule;
    schedule_.total_steps = max_steps_;
    checkpoints_.emplace(config.output_dir / "checkpoints", config.save_total_limit, checkpoint::kMaxStateBytes, writers_of(disks_, savers_));
    optimizer_.before_change([this](const at::Tensor& tensor) { checkpoints_->wait_until_written(tensor); });
    if (ranks_.rank() == 0) written_.emplace(config, resumed_ ? position_.step : -1, max_steps_ - position_.step);
  }

  LoopResult run() {
    ranks_.barrier("waiting for all ranks to be ready");
    check_ranks_agree(ranks_, common_facts());
    if (position_.step < max_steps_ && written_) begin();
    note_step(position_.step);
    note_saved_step(position_.step);
    bool stopping = false;
    for (bool done = false; !done && !stopping;) {
      if (evaluation_due()) evaluate_now();
      stopping = ranks_agree_to_stop(ranks_, stop_requested() != 0);
      done = position_.step >= max_steps_;
      if (save_due(done || stopping)) save(stopping ? "stop" : "checkpoint");
      if (!done && !stopping) one_step();
    }
    finish_saving();
    if (written_) written_->console.summary();
    return {position_.step, stopping, last_loss_, position_.first_evaluation, position_.last_evaluation};
  }

 private:
  RunPosition start() {
    const auto begun = begin_session(config_, disks_, mesh_, model_, optimizer_, identity_, eval_identity_);
    resumed_ = begun.resumed;
    if (disks_.leads()) make_folder(config_.output_dir / "checkpoints");
    return begun.position;
  }

  /// What ranks must have in common. Each reads configuration, data and checkpoints for itself, on a disk of its own perhaps.
  Json common_facts() const {
    Json facts = identity_.fixed;
    facts.update({{"step to go on from", position_.step}, {"max_steps", max_steps_}, {"save_steps", config_.save_steps}, {"eval_steps", config_.eval_steps},
                  {"evaluation rows", eval_identity_}, {"micro_batch_size", config_.batch.micro_batch}, {"logical_shards", config_.logical_shards}});
    if (config_.logical_shards > 0) facts["instruction set"] = identity_.settings["instruction set"];
    return facts;
  }

  /// What a session with steps to do starts with.
  void begin() {
    if (resumed_) write_metrics([&](auto& metrics) { metrics.event(position_.step, "resume", fmt::format("from step {}", position_.step)); });
    matrix_rate_ = config_.matrix_rate.value_or(0);
    if (config_.matrix_rate) return;
    matrix_rate_ = measure_matrix_rate(model_.dtype, model_.device);
    log_info(fmt::format("matrix rate of this machine in {}: {:.1f} GFLOP/s (measured)", identity_.fixed["precision"].get<std::string>(),
                         matrix_rate_ / 1e9));
  }

  /// Lines of metrics are worth less than steps: a full disk costs lines, is said once, and the next line is tried again.
  void write_metrics(const std::function<void(monitor::MetricsWriter&)>& write) {
    if (!written_) return;
    try {
      write(written_->metrics);
      metrics_fail_ = false;
    } catch (const CommError& error) {
      check_leases(config_.output_dir / "metrics.jsonl");  // a run that has lost its folder ends
      if (!metrics_fail_) log_warning(fmt::format("{}; the run goes on, and its next line is tried again", error.what()));
      metrics_fail_ = true;
    }
  }

  bool evaluation_due() const {
    if (eval_.empty() || position_.evaluated_step == position_.step) return false;
    const bool by_interval = config_.eval_steps > 0 && position_.step % config_.eval_steps == 0;
    return position_.step == 0 || position_.step >= max_steps_ || by_interval;
  }

  /// The mean over all sets; nothing when asked to stop on the way.
  std::optional<Evaluation> evaluate_all() {
    std::vector<Evaluation> found;
    for (const auto& set : eval_) {
      const auto one = evaluate(model_, set.source, {config_.batch.micro_batch, config_.eval_batches}, mesh_);
      if (!one) return {};
      found.push_back(*one);
    }
    Evaluation all;
    for (size_t i = 0; i < found.size(); ++i) {
      all.loss += found[i].loss * static_cast<double>(found[i].tokens);
      all.tokens += found[i].tokens;
      if (found.size() == 1) continue;
      write_metrics([&](auto& metrics) { metrics.evaluation(position_.step, found[i].loss, found[i].tokens, eval_[i].name); });
      log_info(fmt::format("validation loss of {}: {:.4f} over {} tokens", eval_[i].name, found[i].loss, found[i].tokens));
    }
    all.loss = found.size() == 1 ? found[0].loss : all.loss / static_cast<double>(all.tokens);
    return all;
  }

  void evaluate_now() {
    const Span span("evaluation", "evaluation", {"step", position_.step});
    const auto evaluation = evaluate_all();
    if (!evaluation) return;  // it is made up for after the resume
    if (position_.step == 0) position_.first_evaluation = evaluation;
    position_.eval_identity = eval_identity_;
    position_.last_evaluation = evaluation;
    position_.evaluated_step = position_.step;
    write_metrics([&](auto& metrics) { metrics.evaluation(position_.step, evaluation->loss, evaluation->tokens); });
    if (written_) written_->console.evaluation(position_.step, evaluation->loss, evaluation->perplexity());
  }

  bool save_due(bool last) const {
    if (position_.step == saved_step_) return false;
    return last || (config_.save_steps > 0 && position_.step % config_.save_steps == 0);
  }

  void save(const char* event) {
    const Span span("checkpoint", "begin to save", {"step", position_.step});
    saved_step_ = position_.step;
    if (disks_.leads()) check_leases(config_.output_dir / "checkpoints");
    write_metrics([&](auto& metrics) {
      metrics.event(position_.step, event, fmt::format("iter_{:07d}", position_.step));
      metrics.sync();
    });
    if (!savers_) savers_ = ranks_.split(0, /*is_patient=*/true);
    checkpoints_->save(position_.step, pack_run_state(model_, optimizer_, position_, identity_, mesh_));
  }

  void finish_saving() {
    const Span span("checkpoint", "wait until saved");
    try {
      checkpoints_->wait();
    } catch (const Error& error) {
      const std::string lost = unsaved_steps();
      throw Error(error.exit_code(), lost.empty() ? error.what() : fmt::format("{}; not saved: {}", error.what(), lost));
    }
  }

  /// Samples of the next step.
  size_t next_batch() const {
    const auto whole = static_cast<uint64_t>(config_.batch.global_batch);
    return config_.max_samples ? std::min(whole, *config_.max_samples - position_.consumed_samples) : whole;
  }

  /// Does nothing when a stop is asked for on the way.
  void one_step() {
    const auto begin = Clock::now();
    StepPlan plan{.step = position_.step + 1,
                  .samples = std::vector<uint64_t>(next_batch()),
                  .micro_batch = config_.batch.micro_batch,
                  .seed = config_.seed,
                  .learning_rate = learning_rate_at(schedule_, position_.step),
                  .logical_shards = config_.logical_shards};
    std::iota(plan.samples.begin(), plan.samples.end(), position_.consumed_samples);
    const auto result = train_step(model_, optimizer_, train_, plan, mesh_);
    if (!result) return;
    position_.step = plan.step;
    note_step(plan.step);
    position_.consumed_samples += plan.samples.size();
    last_loss_ = result->loss;
    if (plan.step == saved_step_ + 1) ranks_.barrier("waiting for rank 0 to write the checkpoint");  // it waits inside its update
    if (written_) report(*result, plan, std::chrono::duration<double>(Clock::now() - begin).count());
  }

  void report(const StepResult& result, const StepPlan& plan, double seconds) {
    monitor::StepMetrics metrics;
    metrics.step = position_.step, metrics.total_steps = max_steps_;
    metrics.consumed_samples = position_.consumed_samples;
    metrics.epoch = static_cast<double>(position_.consumed_samples) / static_cast<double>(train_.num_samples);
    metrics.loss = result.loss, metrics.grad_norm = result.grad_norm, metrics.learning_rate = plan.learning_rate;
    metrics.global_batch_size = static_cast<int64_t>(plan.samples.size());
    metrics.aux_loss = result.aux_loss, metrics.expert_tokens = result.expert_tokens;
    metrics.seconds = seconds, metrics.tflops = result.flops / seconds / 1e12;
    metrics.tokens = result.tokens, metrics.tokens_per_second = static_cast<double>(result.tokens) / seconds;
    metrics.peak_share = matrix_rate_ > 0 ? result.flops / seconds / matrix_rate_ : 0;
    write_metrics([&](auto& lines) { lines.step(metrics); });
    written_->console.step(metrics);
  }

  model::CausalLm& model_;
  const DataSource& train_;
  const std::vector<EvaluationSet>& eval_;
  const LoopConfig& config_;
  const parallel::Mesh& mesh_;
  parallel::Communicator& ranks_;  // all of them
  const Disks only_disk_;
  const Disks& disks_;
  std::unique_ptr<parallel::Communicator> savers_;  // they, too, from the first save on
  RunIdentity identity_;
  std::string eval_identity_;
  Optimizer optimizer_;
  bool resumed_ = false;  // set by start()
  RunPosition position_;
  const int64_t max_steps_;
  int64_t saved_step_;
  std::optional<checkpoint::CheckpointWriter> checkpoints_;  // made when the folder is there
  std::optional<Written> written_;  // of rank 0
  double matrix_rate_ = 0;  // FLOP/s
  ScheduleConfig schedule_;
  std::optional<double> last_loss_;
  bool metrics_fail_ = false;
};

}  // namespace

LoopResult run_loop(model::CausalLm& model, const DataSource& train, const std::vector<EvaluationSet>& eval,
                    const LoopConfig& config, const parallel::Mesh& mesh) {
  Problems problems;
  config.check(problems);
  problems.expect(train.num_samples >= 1, "training rows", train.num_samples, "1 or more");
  problems.throw_if_any("training");
  return Loop(model, train, eval, config, mesh).run();
}

}  // namespace ingot::train
