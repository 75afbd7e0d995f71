#include "train/session_start.h"

#include <fmt/format.h>

#include <optional>

#include "checkpoint/run_checkpoint.h"
#include "core/error.h"
#include "core/log.h"
#include "hub/run_folder.h"
#include "train/spread_checkpoint.h"

namespace ingot::train {
namespace {

/// The newest good checkpoint on the one disk, when the run may go on from one.
std::optional<checkpoint::LoadedCheckpoint> find_checkpoint(const LoopConfig& config) {
  const auto folder = hub::RunFolder(config.output_dir).checkpoints();
  if (config.resume) return checkpoint::load_newest_checkpoint(folder);
  if (!checkpoint::list_checkpoints(folder).empty())
    throw ConfigError(fmt::format("{}: holds checkpoints of an earlier run; remove them or let the run resume",
                                  folder.string()));
  return {};
}

/// Refuses another run's before anything is written; the ranks read the files together, and so after that.
void check_identity_on_disk(const LoopConfig& config, const RunIdentity& identity) {
  const auto folder = hub::RunFolder(config.output_dir).checkpoints();
  const Json state = checkpoint::newest_state(folder);
  if (state.is_object()) check_identity({state.value("fixed", Json::object()), Json::object()}, {identity.fixed, Json::object()}, folder.string());
}

/// Without the numbers of other evaluation rows than this session's.
RunPosition with_own_evaluations(RunPosition position, const std::string& eval_identity) {
  if (position.eval_identity.empty() || position.eval_identity == eval_identity || !position.last_evaluation) return position;
  log_info("the evaluation rows are others than before: their earlier losses are not compared with the new ones");
  position.first_evaluation = position.last_evaluation = {};
  position.evaluated_step = -1;
  return position;
}

}  // namespace

SessionStart begin_session(const LoopConfig& config, const Disks& disks, const parallel::Mesh& mesh, const model::CausalLm& model, Optimizer& optimizer,
                           const RunIdentity& identity, const std::string& eval_identity) {
  const bool is_spread = disks.count > 1;
  if (is_spread) check_identity_on_disk(config, identity);
  if (is_spread && config.before_writing) config.before_writing();
  const auto loaded = is_spread ? load_spread_checkpoint(disks, hub::RunFolder(config.output_dir), pack_run_state(model, optimizer, {}, identity, mesh).tensors)
                                : find_checkpoint(config);
  if (is_spread && !loaded && !checkpoint::list_checkpoints(hub::RunFolder(config.output_dir).checkpoints()).empty())
    throw DataError(fmt::format("{}: holds checkpoints, and none is whole", hub::RunFolder(config.output_dir).checkpoints().string()));
  SessionStart start{loaded.has_value(), {}};
  if (loaded) {
    start.position = restore_run_state(*loaded, model, optimizer, identity);
    log_info(fmt::format("resuming after step {} from {}", start.position.step, loaded->info.folder.string()));
    start.position = with_own_evaluations(start.position, eval_identity);
  } else if (config.exact_weights) {
    optimizer.set_masters(config.exact_weights);
  }
  if (!is_spread && config.before_writing) config.before_writing();
  return start;
}

}  // namespace ingot::train
