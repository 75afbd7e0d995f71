#include "workflows/train.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <mutex>
#include <optional>
#include <sstream>

#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"
#include "core/trace.h"
#include "checkpoint/run_checkpoint.h"
#include "hub/export_run.h"
#include "hub/load_model.h"
#include "hub/lora.h"
#include "hub/model_folder.h"
#include "hub/run_folder.h"
#include "hub/run_record.h"
#include "generate/sample_prompts.h"
#include "launch/sign_of_life.h"
#include "ops/tensor_pages.h"
#include "parallel/join.h"
#include "parallel/mesh.h"
#include "parallel/traced.h"
#include "train/loop_config.h"
#include "train/loop_identity.h"
#include "train/prepare_data.h"
#include "train/disks.h"
#include "train/ranks_agree.h"
#include "train/spread_checkpoint.h"
#include "train/step.h"
#include "train/sources.h"
#include "workflows/rank_sharing.h"
#include "workflows/run_shape.h"
#include "workflows/train_start.h"

namespace ingot::workflows {
namespace fs = std::filesystem;
namespace {

/// A filled model, the values that it had before they were rounded to the type that it computes in, and its adapter.
struct Start {
  std::unique_ptr<model::CausalLm> model;
  model::ExactWeights exact_weights;
  std::optional<checkpoint::AdapterConfig> adapter;
};

void add_adapter(const config::TrainConfig& config, const hub::ModelFolder& base, Start& start) {
  const auto lora = hub::start_lora(base, lora_request(config), *start.model, start.exact_weights);
  start.exact_weights = lora.exact_weights;
  start.adapter = lora.config;
}

Start from_scratch(const config::TrainConfig& config, const hub::ModelFolder& base, const hub::Compute& compute, const parallel::Mesh& mesh) {
  Start start{model::build_model(base.stated_config(), compute.type, compute.device, mesh), {}};
  const model::ParameterList& list = start.model->parameters;
  model::initialize_parameters(list, config.seed);
  start.exact_weights = [&list, seed = config.seed](const std::string& name) {
    return model::initial_value(*list.find(name), seed);
  };
  return start;
}

Start from_weights(const hub::ModelFolder& base, const hub::Compute& compute, const parallel::Mesh& mesh) {
  const auto exact = [&base](const std::string& name) { return base.parameter(name); };
  return {hub::load_model(base, compute, mesh), exact, {}};
}

/// A model whose every value comes from the run's checkpoint.
Start from_checkpoint(const hub::ModelFolder& base, bool tie_word_embeddings, const hub::Compute& compute, const parallel::Mesh& mesh) {
  auto config = base.stated_config();
  config.tie_word_embeddings = tie_word_embeddings;
  return {model::build_model(config, compute.type, compute.device, mesh), {}, {}};
}

/// The part of this rank of the mesh. `tied_in_checkpoint`: of a run that goes on, whether its model's head is its embedding.
Start make_model(const config::TrainConfig& config, const hub::ModelFolder& base, std::optional<bool> tied_in_checkpoint, const parallel::Mesh& mesh) {
  const Span span("setup", "make model");
  const auto compute = hub::choose_compute(compute_words(config));
  const bool is_lora = config.finetuning_type == "lora";
  Start start = tied_in_checkpoint && !is_lora ? from_checkpoint(base, *tied_in_checkpoint, compute, mesh)
                : config.train_from_scratch ? from_scratch(config, base, compute, mesh)
                                            : from_weights(base, compute, mesh);
  start.model->recompute = recompute_of(config.recompute);
  if (config.router_aux_loss_coef) start.model->config.router_aux_loss_coef = *config.router_aux_loss_coef;
  log_info(fmt::format("{}: {:.2f} M parameters", config.model_name_or_path.string(),
                       start.model->parameters.num_elements() / 1e6));
  if (is_lora) add_adapter(config, base, start);
  return start;
}

/// Throws ConfigError where the steps that the rows make leave no room for the schedule.
train::LoopConfig loop_config(const config::TrainConfig& config, const train::Sources& sources) {
  auto loop = train::make_loop_config(config, sources.num_train_rows);
  loop.fixed = sources.identity;
  loop.eval_identity = sources.eval_identity;
  Problems problems;
  loop.check(problems);
  problems.throw_if_any(config.source.string());
  return loop;
}

/// A checkpoint of a LoRA run holds no frozen weight: it is of use with the same base model alone.
void identify_adapter(const hub::ModelFolder& base, const checkpoint::AdapterConfig& adapter, train::LoopConfig& loop) {
  loop.fixed.update(hub::adapter_identity(adapter));
  loop.fixed[hub::kBaseIdentity] = base.weights_digest();
  loop.settings["model_name_or_path"] = fs::absolute(base.path()).lexically_normal().string();
}

constexpr std::chrono::seconds kRankTimeout{600};  // that a rank waits for the others in a step

/// Throws ConfigError for a number of ranks that the batch cannot be dealt to.
Sharing sharing_of(const config::TrainConfig& config, int64_t processes) {
  Problems problems;
  check_sharing(config, processes, problems);
  const std::string device = hub::find_compute(compute_words(config)).device;
  problems.expect(processes == 1 || device == "cpu", "device", device, "cpu on several ranks");
  problems.throw_if_any(config.source.string());
  const auto layout = layout_of(config, processes);
  auto logical = layout;
  logical.tp = train::num_tensor_shards(config), logical.cp = train::num_context_shards(config);
  return {layout, logical};
}

/// What sample_prompts need beside the model.
class SampleTexts {
 public:
  SampleTexts(const config::TrainConfig& config, const hub::ModelFolder& base)
      : chat(config.stage == "sft" ? train::open_chat_template(config) : nullptr),
        prompts{config.sample_prompts, base.tokenizer(), chat.get(), config.sample_max_new_tokens} {}
  /// On standard output of rank 0; the other parts of its model, and its partners, compute with it.
  void print(const model::CausalLm& model, const std::string& when, const parallel::Mesh& mesh) const {
    std::ostringstream nowhere;
    if (mesh.data.rank() >= mesh.partners->size()) return;
    if (train::ranks_agree_to_stop({&mesh.tensor, &mesh.context, mesh.partners, &mesh.pipeline}, stop_requested() != 0)) return;
    generate::print_samples(prompts, model, when, mesh.world.rank() == 0 ? std::cout : nowhere);
  }

 private:
  std::unique_ptr<data::ChatTemplate> chat;
  generate::SamplePrompts prompts;
};

void report(const train::LoopResult& result) {
  if (!result.last_evaluation) return;
  if (!result.first_evaluation) {  // no model without a step was measured with these rows
    std::cout << fmt::format("validation loss {:.4f} after {} steps (perplexity {:.2f})\n", result.last_evaluation->loss, result.step,
                             result.last_evaluation->perplexity()) << std::flush;
    return;
  }
  std::cout << fmt::format("validation loss {:.4f} before, {:.4f} after {} steps (perplexity {:.2f} and {:.2f})\n",
                           result.first_evaluation->loss, result.last_evaluation->loss, result.step,
                           result.first_evaluation->perplexity(), result.last_evaluation->perplexity())
            << std::flush;
}

std::optional<bool> tied_in_checkpoint(const hub::RunStart& begun) {
  return begun.goes_on() ? std::optional(begun.tie_word_embeddings()) : std::nullopt;
}

/// The model of a run of which it is known whether it goes on; its adapter is noted in `loop`.
Start settled_model(const config::TrainConfig& config, const hub::ModelFolder& base, const train::Sources& sources,
                    train::LoopConfig& loop, hub::RunStart& begun, const parallel::Mesh& mesh) {
  Start start = make_model(config, base, tied_in_checkpoint(begun), mesh);
  if (start.adapter) identify_adapter(base, *start.adapter, loop);
  if (!begun.goes_on()) return start;
  begun.settle(train::differences_from_checkpoint(*start.model, sources.train, loop));
  if (begun.goes_on()) return start;
  start = {};  // it was to be filled from a checkpoint of another run
  return make_model(config, base, tied_in_checkpoint(begun), mesh);
}

constexpr const char* kPreparation = "waiting for rank 0 to prepare the run";

/// A process that does not prepare anything has nothing to save.
void wait_for_lead(parallel::Communicator& world, bool is_beside_lead) {
  std::optional<NothingToSave> nothing;
  if (!is_beside_lead) nothing.emplace(), end_if_stopped(kPreparation);
  world.barrier(kPreparation);
}

/// The shards are leased while they are opened, to one thread of a process at a time.
train::Sources open_after_lead(const config::TrainConfig& config, const hub::ModelFolder& base) {
  const Span span("setup", "open data");
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  return train::open_sources(config, base, train::DataPlace::direct(config.output_dir));
}

/// The work of a rank that leads no disk: it writes nothing but its part of checkpoints, and begins when the one that leads its disk has prepared
/// everything, in another process or beside it.
int follow(const config::TrainConfig& config, const hub::ModelFolder& base, const parallel::Mesh& mesh, const train::Disks& disks, bool is_beside_lead, Trace* trace) {
  wait_for_lead(mesh.world, is_beside_lead);
  if (trace) trace->write_at_end();
  const hub::RunFolder run(config.output_dir);
  const train::Sources sources = open_after_lead(config, base);
  auto loop = loop_config(config, sources);
  const bool goes_on = !checkpoint::list_checkpoints(run.checkpoints()).empty();
  const bool tied = goes_on && (config.train_from_scratch ? base.stated_config().tie_word_embeddings : hub::has_tied_head(run));
  const Start start = make_model(config, base, goes_on ? std::optional(tied) : std::nullopt, mesh);
  if (start.adapter) identify_adapter(base, *start.adapter, loop);
  const SampleTexts samples(config, base);
  if (!goes_on) samples.print(*start.model, "before", mesh);
  loop.exact_weights = start.exact_weights;
  loop.disks = &disks;
  if (train::run_loop(*start.model, sources.train, sources.eval, loop, mesh).stopped) return kExitTerminated;
  samples.print(*start.model, "after", mesh);
  return kExitOk;
}

/// The exported model, from the checkpoint of the last step.
void export_trained(const config::TrainConfig& config, const hub::ModelFolder& base, const hub::RunFolder& run) {
  const Span span("export", "export model");
  hub::export_run({run.path, {}, config.export_dtype}, base);
  log_info(fmt::format("the trained model is in {}", run.model().string()));
}

/// The work of rank 0, and, where the run's folder lies on several disks, of the first rank of each: only rank 0 reports and exports.
int lead(const config::TrainConfig& config, const hub::ModelFolder& base, const parallel::Mesh& mesh, const train::Disks& disks, Trace* trace) {
  const hub::RunFolder run(config.output_dir);
  const hub::RunLock lock(run);
  if (trace) trace->write_at_end();
  const bool is_spread = disks.count > 1;
  if (is_spread) train::agree_on_checkpoint(disks, run, [&] { check_origin(config, base, hub::RunStart(config, base, run, is_spread)); });
  hub::RunStart begun(config, base, run, is_spread);
  check_origin(config, base, begun);
  if (begun.is_fresh()) begun.begin();
  const auto data = begun.is_fresh() ? train::DataPlace::direct(run.path) : train::DataPlace::beside(run.path);
  const train::Sources sources = train::open_sources(config, base, data);
  auto loop = loop_config(config, sources);
  auto start = settled_model(config, base, sources, loop, begun, mesh);
  if (is_spread) train::check_ranks_agree(*disks.leaders, {{"goes on from a checkpoint", begun.goes_on()}});
  const SampleTexts samples(config, base);
  const auto begin_late = [&] {
    if (!begun.is_fresh()) begun.begin(), data.keep();
    mesh.world.barrier(kPreparation);
  };
  begun.goes_on() ? void(loop.before_writing = begin_late) : begin_late();
  if (!begun.goes_on()) samples.print(*start.model, "before", mesh);
  end_if_stopped("answering sample_prompts, nothing is lost");
  loop.exact_weights = start.exact_weights;
  loop.disks = &disks;
  const auto result = train::run_loop(*start.model, sources.train, sources.eval, loop, mesh);
  if (result.stopped) return kExitTerminated;
  if (mesh.world.rank() == 0) report(result);
  samples.print(*start.model, "after", mesh);
  start = {};  // the export of an adapter holds a model to compare with
  loop.exact_weights = {};
  ops::let_pages_go();
  if (is_spread) train::gather_checkpoint(disks, run);
  if (mesh.world.rank() == 0) export_trained(config, base, run);
  return kExitOk;
}

}  // namespace

int train(const TrainRequest& request) {
  const launch::SignsOfLife signs;
  ops::use_page_blocks();
  const config::TrainConfig config = config::load_train_config(request.config, request.overrides);
  const hub::ModelFolder base = open_base(config);
  check_start(config, base, request.force);
  const auto processes = parallel::join_ranks(kRankTimeout, config.in_effect);
  const auto sharing = sharing_of(config, processes->size());
  std::unique_ptr<Trace> trace;
  if (request.profile) trace = std::make_unique<Trace>(hub::RunFolder(config.output_dir).profile() / fmt::format("rank_{}.json", processes->rank()), processes->rank());
  const auto traced_processes = trace ? parallel::traced(processes->split(0), "world") : nullptr;
  const int64_t threads = sharing.threads();
  if (config.reproducible) at::set_num_threads(1);  // a product's bits may depend on its threads
  int exit_code = kExitOk;
  const auto run = [&](parallel::Communicator& world) {
    parallel::Mesh mesh(world, sharing.logical, sharing.logical_rank(world.rank()));
    mesh.sums_apart = config.reproducible;
    if (config.zero_stage > 1) mesh.partners = &mesh.data;
    mesh.shards_weights = config.zero_stage > 2;
    const bool speaks = world.rank() % threads == 0;  // for its process
    std::optional<QuietThread> quiet;
    if (!speaks) quiet.emplace();
    std::optional<hub::ModelFolder> own_base;  // a folder is for one thread
    const train::Disks disks(world, config.output_dir);
    const auto& of_thread = speaks ? base : own_base.emplace(open_base(config));
    const int found = disks.leads() ? lead(config, of_thread, mesh, disks, trace.get())
                                    : follow(config, of_thread, mesh, disks, /*is_beside_lead=*/disks.leader / threads == processes->rank(), trace.get());
    if (speaks) exit_code = found;
  };
  // The sums of logical ranks are made in a tree, whichever of them are threads of one process.
  config.reproducible && sharing.logical.tp * sharing.logical.cp > 1 ? parallel::host_ranks(*processes, threads, run) : run(traced_processes ? *traced_processes : *processes);
  return exit_code;
}

}  // namespace ingot::workflows
