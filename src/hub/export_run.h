#pragma once

#include <filesystem>
#include <string>

namespace ingot::hub {

class ModelFolder;

struct ExportRequest {
  std::filesystem::path run;       // output_dir of a training run
  std::filesystem::path to;        // empty: RUN/model
  std::string dtype = "auto";      // auto: as the model that came in
  // Of a LoRA run: its adapter, the merged model, or, with neither and no `to`, both in RUN/adapter and RUN/model.
  bool adapter = false, merge = false;
  std::filesystem::path base;      // of a LoRA run: the model that it started from, where that folder was moved
  int64_t check_tokens = 64;       // see MergeRequest
};

/// The newest good checkpoint of a run as a Hugging Face folder, reopened and compared with the checkpoint, and of a
/// LoRA run also as an adapter folder; its merged model is compared with the adapter's (merge.h).
void export_run(const ExportRequest& request);
/// The same by the process that trained, which has the base model of a LoRA run open.
void export_run(const ExportRequest& request, const ModelFolder& base);

}  // namespace ingot::hub
