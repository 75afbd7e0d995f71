#pragma once

#include <functional>

#include "workflows/convert.h"
#include "workflows/evaluate.h"
#include "workflows/export_model.h"
#include "workflows/generate.h"
#include "workflows/inspect.h"
#include "workflows/kernels.h"
#include "workflows/launch.h"
#include "workflows/model_catalog.h"
#include "workflows/modelarts.h"
#include "workflows/plan.h"
#include "workflows/tokenize.h"
#include "workflows/train.h"

namespace ingot::cli {

/// Does a verb's work and returns the exit code.
template <class Request>
using Job = std::function<int(const Request&)>;

/// What each verb calls. The front program fills verbs that need tensors with "become the engine"; the engine with the
/// work itself. Flags and help are the same in both.
struct Jobs {
  Job<workflows::KernelsRequest> kernels;
  Job<workflows::TrainRequest> train, check_train, preprocess, check_config;
  Job<workflows::EvaluateRequest> evaluate;
  Job<workflows::GenerateRequest> generate;
  Job<workflows::ConvertRequest> convert;
  Job<workflows::ExportRequest> export_model;
  Job<workflows::InspectRequest> inspect;
  Job<workflows::InspectRawRequest> inspect_raw;
  Job<workflows::TokenizeRequest> tokenize;
  Job<workflows::ModelsRequest> models;
  Job<workflows::ModelArtsRequest> modelarts;
  Job<workflows::ModelArtsInitRequest> modelarts_init;
  Job<workflows::PerformanceRequest> performance;
  Job<workflows::LaunchRequest> launch;
  Job<workflows::PlanRequest> plan;
};

/// Verbs that need no tensors, done in the program itself.
Jobs front_jobs();

/// Throws the ConfigError that the job would begin with, of a configuration that can be read twice: a file, no pipe. So what is wrong with it
/// is said before LibTorch is loaded, and before ranks are started.
void refuse_early(const workflows::TrainRequest& request);

/// Parses the command line, does the verb, and turns errors into one line and an exit code.
int run_cli(int argc, char** argv, const Jobs& jobs);

/// Ends the process without the exit handlers of the libraries, some of which fail where memory has run out.
[[noreturn]] void leave(int exit_code);

}  // namespace ingot::cli
