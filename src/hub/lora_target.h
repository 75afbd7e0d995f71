#pragma once

#include <memory>
#include <string>
#include <vector>

#include "checkpoint/adapter_folder.h"
#include "model/causal_lm.h"
#include "model/lora.h"

namespace ingot::hub {

/// The linear layers that `config` targets, in the model's order: an entry of target_modules matches a module path that
/// is it or ends with "." and it, one expression matches whole paths. Modules that exclude_modules matches so, that are
/// saved whole, or whose layer is not among layers_to_transform are left out, as PEFT does.
std::vector<std::string> targeted_modules(const checkpoint::AdapterConfig& config, const model::CausalLm& model);

/// Throws ConfigError with the nearest name and all that exist for an entry of target_modules or modules_to_save that
/// matches nothing in the model, which may be on meta; and for one that names an embedding and head that are one, or a
/// normalised head.
void check_targets(const checkpoint::AdapterConfig& config, const model::CausalLm& model);

/// Makes the target_modules of a trained adapter names that the model has: "all-linear" stands for every linear layer but the
/// head, as in PEFT. Throws DataError naming `source` when they match nothing, and for an addition to one of a tied embedding
/// and head.
void settle_targets(checkpoint::Adapter& adapter, const model::CausalLm& model, const std::string& source);

/// The last parts of the paths of the layers' own linear maps, sorted: what `lora_target: all` stands for. Neither routers
/// nor embedding and head are among them.
std::vector<std::string> all_targets(const model::CausalLm& model);
/// The same of everything that an addition fits.
std::vector<std::string> known_targets(const model::CausalLm& model);
/// The layer of this path; null when no addition fits there.
std::shared_ptr<const model::LinearLayer> find_layer(const model::CausalLm& model, const std::string& module);

/// Rank and scale of a module's addition, by the patterns of the configuration.
model::LoraPlan::Layer planned_layer(const checkpoint::AdapterConfig& config, const std::string& module);

/// Names of the parameters inside modules whose paths end with one of `config.modules_to_save`, as PEFT matches them;
/// the tied head is the embedding.
std::vector<std::string> whole_parameters(const checkpoint::AdapterConfig& config, const model::CausalLm& model);

}  // namespace ingot::hub
