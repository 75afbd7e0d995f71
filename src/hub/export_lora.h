#pragma once

#include "checkpoint/run_checkpoint.h"
#include "hub/export_run.h"
#include "hub/run_folder.h"

namespace ingot::hub {

/// True for a checkpoint of a run that trained an adapter.
bool is_lora_run(const checkpoint::LoadedCheckpoint& loaded);

/// Writes what `request` asks for of a LoRA run: the adapter folder, the merged model, or both. `base` is the base model when
/// it is open. Throws ConfigError when
/// the base model is not the one that the run started from.
void export_lora(const RunFolder& run, const checkpoint::LoadedCheckpoint& loaded, const ExportRequest& request,
                 const ModelFolder* base);

}  // namespace ingot::hub
