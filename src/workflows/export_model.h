#pragma once

#include <filesystem>
#include <string>

namespace ingot::workflows {

struct ExportRequest {
  std::filesystem::path run;       // output_dir of a training run
  std::filesystem::path to;        // empty: RUN/model
  std::string dtype = "auto";      // auto: as the model that came in
};

/// The newest good checkpoint of a run as a Hugging Face folder, reopened and compared with the checkpoint.
/// Returns the exit code.
int export_model(const ExportRequest& request);

}  // namespace ingot::workflows
