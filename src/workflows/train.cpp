#include "workflows/train.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <iostream>

#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"
#include "hub/export_run.h"
#include "hub/load_model.h"
#include "hub/lora.h"
#include "hub/model_folder.h"
#include "hub/run_folder.h"
#include "hub/run_record.h"
#include "generate/sample_prompts.h"
#include "train/loop_config.h"
#include "train/loop_identity.h"
#include "train/prepare_data.h"
#include "train/sources.h"
#include "workflows/train_start.h"

namespace ingot::workflows {
namespace fs = std::filesystem;
namespace {

model::Recompute recompute_kind(const std::string& name) {
  if (name == "none") return model::Recompute::kNone;
  return name == "selective" ? model::Recompute::kSelective : model::Recompute::kFull;
}

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

Start from_scratch(const config::TrainConfig& config, const hub::ModelFolder& base, const hub::Compute& compute) {
  Start start{model::build_model(base.stated_config(), compute.type, compute.device), {}};
  const model::ParameterList& list = start.model->parameters;
  model::initialize_parameters(list, config.seed);
  start.exact_weights = [&list, seed = config.seed](const std::string& name) {
    return model::initial_value(*list.find(name), seed);
  };
  return start;
}

Start from_weights(const hub::ModelFolder& base, const hub::Compute& compute) {
  const auto exact = [&base](const std::string& name) { return base.parameter(name); };
  return {hub::load_model(base, compute), exact, {}};
}

/// A model whose every value comes from the run's checkpoint.
Start from_checkpoint(const hub::ModelFolder& base, bool tie_word_embeddings, const hub::Compute& compute) {
  auto config = base.stated_config();
  config.tie_word_embeddings = tie_word_embeddings;
  return {model::build_model(config, compute.type, compute.device), {}, {}};
}

Start make_model(const config::TrainConfig& config, const hub::ModelFolder& base, const hub::RunStart& begun) {
  const auto compute = hub::choose_compute(compute_words(config));
  const bool is_lora = config.finetuning_type == "lora";
  Start start = begun.goes_on() && !is_lora ? from_checkpoint(base, begun.tie_word_embeddings(), compute)
                : config.train_from_scratch ? from_scratch(config, base, compute)
                                            : from_weights(base, compute);
  start.model->recompute = recompute_kind(config.recompute);
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

/// What sample_prompts need beside the model.
struct SampleTexts {
  SampleTexts(const config::TrainConfig& config, const hub::ModelFolder& base)
      : chat(config.stage == "sft" ? train::open_chat_template(config) : nullptr),
        prompts{config.sample_prompts, base.tokenizer(), chat.get(), config.sample_max_new_tokens} {}
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

/// The model of a run of which it is known whether it goes on; its adapter is noted in `loop`.
Start settled_model(const config::TrainConfig& config, const hub::ModelFolder& base, const train::Sources& sources,
                    train::LoopConfig& loop, hub::RunStart& begun) {
  Start start = make_model(config, base, begun);
  if (start.adapter) identify_adapter(base, *start.adapter, loop);
  if (!begun.goes_on()) return start;
  begun.settle(train::differences_from_checkpoint(*start.model, sources.train, loop));
  if (begun.goes_on()) return start;
  start = {};  // it was to be filled from a checkpoint of another run
  return make_model(config, base, begun);
}

}  // namespace

int train(const TrainRequest& request) {
  const config::TrainConfig config = config::load_train_config(request.config, request.overrides);
  const hub::ModelFolder base = open_base(config);
  check_start(config, base);
  const hub::RunFolder run(config.output_dir);
  const hub::RunLock lock(run);
  hub::RunStart begun(config, base, run);
  check_origin(config, base, begun);
  if (begun.is_fresh()) begun.begin();
  const auto data = begun.is_fresh() ? train::DataPlace::direct(run.path) : train::DataPlace::beside(run.path);
  const train::Sources sources = train::open_sources(config, base, data);
  auto loop = loop_config(config, sources);
  auto start = settled_model(config, base, sources, loop, begun);
  const SampleTexts samples(config, base);
  const auto begin_late = [&] { begun.begin(), data.keep(); };
  if (begun.goes_on()) loop.before_writing = begin_late;
  else if (!begun.is_fresh()) begin_late();
  if (!begun.goes_on()) generate::print_samples(samples.prompts, *start.model, "before");
  end_if_stopped("answering sample_prompts, nothing is lost");
  loop.exact_weights = start.exact_weights;
  const auto result = train::run_loop(*start.model, sources.train, sources.eval, loop);
  if (result.stopped) return kExitTerminated;
  report(result);
  generate::print_samples(samples.prompts, *start.model, "after");
  start = {};  // the export of an adapter holds a model to compare with
  loop.exact_weights = {};
  hub::export_run({run.path, {}, config.export_dtype}, base);
  log_info(fmt::format("the trained model is in {}", run.model().string()));
  return kExitOk;
}

}  // namespace ingot::workflows
