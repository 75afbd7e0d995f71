#include "workflows/preprocess.h"

#include <fmt/format.h>

#include <memory>

#include "config/train_config.h"
#include "core/error.h"
#include "core/log.h"
#include "hub/run_folder.h"
#include "launch/rank_variables.h"
#include "launch/sign_of_life.h"
#include "train/check_data.h"
#include "train/prepare_data.h"

namespace ingot::workflows {
namespace {

data::JobRank own_rank() {
  const auto found = launch::find_own_rank(launch::process_environment());
  if (!found) return {};
  log_info(fmt::format("rank {} of {} ({})", found->rank, found->size, found->source));
  return {found->rank, found->size, found->ranks_per_node.value_or(1)};
}

}  // namespace

int preprocess(const TrainRequest& request) {
  const launch::SignsOfLife signs;
  const auto config = config::load_train_config(request.config, request.overrides);
  const auto rank = own_rank();
  const bool leads = rank.rank == 0;
  const hub::RunFolder run(config.output_dir);
  if (leads) hub::check_run_folder(run);
  const hub::ModelDescription model(config.model_name_or_path);
  if (leads) train::check_data(config, model);
  const auto lock = leads ? std::make_unique<const hub::RunLock>(run) : nullptr;
  const auto place = train::DataPlace::direct(config.output_dir);
  const auto prepare = [&](const std::vector<std::string>& dataset, const char* name) {
    if (dataset.empty()) return;
    if (config.stage == "sft") train::prepare_sft(config, model, {dataset, name}, place, rank);
    else train::prepare_dataset(config, model, {dataset, name}, place, rank);
  };
  prepare(config.dataset, "train");
  prepare(config.eval_dataset, "eval");
  return kExitOk;
}

}  // namespace ingot::workflows
