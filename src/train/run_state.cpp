#include "train/run_state.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/error.h"
#include "train/named_state.h"

namespace ingot::train {
namespace {

/// Of the trainable parameters: frozen ones are where the run took them from.
std::vector<checkpoint::RunTensor> model_tensors(const model::CausalLm& model, const parallel::Mesh& mesh) {
  std::vector<checkpoint::RunTensor> tensors;
  for (const auto& parameter : model.parameters.parameters) {
    if (!parameter->trainable) continue;
    tensors.push_back(value_tensor("model.", *parameter));
    const bool writes = mesh.context.rank() == 0 && (parameter->sharded || mesh.replicas(parameter->expert >= 0).rank() == 0);
    for (auto& part : tensors.back().parts) part.is_written = part.is_written && writes;
  }
  return tensors;
}

Json to_json(const std::optional<Evaluation>& evaluation) {
  if (!evaluation) return nullptr;
  return {{"loss", evaluation->loss}, {"tokens", evaluation->tokens}};
}

/// Reads the fields of a checkpoint's JSON; messages name its folder.
struct FieldReader {
  const Json& state;
  std::string source;

  const Json& field(const char* name, bool (*right_kind)(const Json&), const char* wanted) const {
    if (!state.is_object() || !state.contains(name) || !right_kind(state[name]))
      throw DataError(fmt::format("{}: state field {}: wanted {}", source, name, wanted));
    return state[name];
  }
  int64_t integer(const char* name) const {
    return field(name, [](const Json& value) { return value.is_number_integer(); }, "an integer").get<int64_t>();
  }
  const Json& object(const char* name) const {
    return field(name, [](const Json& value) { return value.is_object(); }, "an object");
  }
  std::optional<Evaluation> evaluation(const char* name) const {
    const Json& value = field(name, [](const Json& found) { return found.is_object() || found.is_null(); },
                              "null or an object with loss and tokens");
    if (value.is_null()) return {};
    const Json loss = value.value("loss", Json()), tokens = value.value("tokens", Json());
    if (!loss.is_number() || !tokens.is_number_unsigned())
      throw DataError(fmt::format("{}: state field {}: wanted loss and tokens", source, name));
    return Evaluation{loss.get<double>(), tokens.get<uint64_t>()};
  }
};

RunPosition read_position(const FieldReader& read) {
  RunPosition position;
  position.step = read.integer("step");
  const int64_t consumed = read.integer("consumed_samples");
  if (position.step < 0 || consumed < 0)
    throw DataError(fmt::format("{}: state: found step {} and consumed_samples {}, wanted 0 or more", read.source,
                                position.step, consumed));
  position.consumed_samples = static_cast<uint64_t>(consumed);
  position.evaluated_step = read.integer("evaluated_step");
  position.first_evaluation = read.evaluation("first_evaluation");
  position.last_evaluation = read.evaluation("last_evaluation");
  if (const Json identity = read.state.value("eval_identity", Json("")); identity.is_string()) position.eval_identity = identity;
  return position;
}

}  // namespace

checkpoint::RunState pack_run_state(const model::CausalLm& model, const Optimizer& optimizer, const RunPosition& position,
                                    const RunIdentity& identity, const parallel::Mesh& mesh) {
  checkpoint::RunState packed{.tensors = model_tensors(model, mesh),
                              .state = {{"step", position.step},
                                        {"consumed_samples", position.consumed_samples},
                                        {"evaluated_step", position.evaluated_step},
                                        {"first_evaluation", to_json(position.first_evaluation)},
                                        {"last_evaluation", to_json(position.last_evaluation)},
                                        {"eval_identity", position.eval_identity},
                                        {"fixed", identity.fixed},
                                        {"settings", identity.settings}}};
  const auto optimizer_tensors = optimizer.state();
  packed.tensors.insert(packed.tensors.end(), optimizer_tensors.begin(), optimizer_tensors.end());
  return packed;
}

RunPosition restore_run_state(const checkpoint::LoadedCheckpoint& loaded, const model::CausalLm& model,
                              Optimizer& optimizer, const RunIdentity& identity) {
  const std::string source = loaded.info.folder.string();
  const FieldReader read{loaded.store.state(), source};
  check_identity({read.object("fixed"), read.object("settings")}, identity, source);
  const RunPosition position = read_position(read);
  read_named_state(loaded.store, "model.", model_tensors(model, parallel::only_rank()));
  optimizer.load_state(loaded.store);
  return position;
}

}  // namespace ingot::train
