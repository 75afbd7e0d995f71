// `ingot-data`: the same command line with the readers of data files, Arrow's among them, behind it, and no LibTorch. Started by `ingot`.
#include <iostream>

#include "cli/jobs.h"
#include "workflows/preprocess.h"

int main(int argc, char** argv) {
  namespace workflows = ingot::workflows;
  ingot::cli::Jobs jobs = ingot::cli::front_jobs();
  jobs.preprocess = workflows::preprocess;
  jobs.inspect_raw = [](const auto& request) { return workflows::inspect_raw(request, std::cout); };
  ingot::cli::leave(ingot::cli::run_cli(argc, argv, jobs));
}
