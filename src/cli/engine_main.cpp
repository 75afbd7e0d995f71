// `ingot-engine`: the same command line with LibTorch and Arrow behind it. Started by `ingot`.
#include <iostream>

#include "cli/jobs.h"

int main(int argc, char** argv) {
  namespace workflows = ingot::workflows;
  ingot::cli::Jobs jobs = ingot::cli::front_jobs();
  jobs.kernels = [](const auto& request) { return workflows::print_kernels(request, std::cout); };
  jobs.train = workflows::train;
  jobs.check_train = [](const auto& request) { return workflows::check_train(request, std::cout); };
  jobs.evaluate = [](const auto& request) { return workflows::evaluate(request, std::cout); };
  jobs.generate = [](const auto& request) { return workflows::generate(request, std::cin, std::cout); };
  jobs.convert = workflows::convert;
  jobs.export_model = workflows::export_model;
  ingot::cli::leave(ingot::cli::run_cli(argc, argv, jobs));
}
