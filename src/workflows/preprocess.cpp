#include "workflows/preprocess.h"

#include "config/train_config.h"
#include "core/error.h"
#include "hub/run_folder.h"
#include "train/check_data.h"
#include "train/prepare_data.h"

namespace ingot::workflows {

int preprocess(const TrainRequest& request) {
  const auto config = config::load_train_config(request.config, request.overrides);
  hub::check_run_folder(hub::RunFolder(config.output_dir));
  const hub::ModelDescription model(config.model_name_or_path);
  train::check_data(config, model);
  const hub::RunLock lock(hub::RunFolder(config.output_dir));
  const auto place = train::DataPlace::direct(config.output_dir);
  const auto prepare = [&](const std::vector<std::string>& dataset, const char* name) {
    if (dataset.empty()) return;
    if (config.stage == "sft") train::prepare_sft(config, model, {dataset, name}, place);
    else train::prepare_dataset(config, model, {dataset, name}, place);
  };
  prepare(config.dataset, "train");
  prepare(config.eval_dataset, "eval");
  return kExitOk;
}

}  // namespace ingot::workflows
