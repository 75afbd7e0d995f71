// `ingot`: parses every verb at once and does the light ones itself. For the others a program that lies beside it takes this
// process over with the same arguments: `ingot-data` reads data files, `ingot-engine` loads LibTorch.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "cli/jobs.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/stop.h"

namespace {

/// Threads that wait for each other in a parallel loop sleep after a few microseconds. With libgomp's own default they
/// spin for milliseconds: where other processes want the cores too, that takes time from the very thread waited for.
/// What the user has set stays.
void limit_spinning() {
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) ::setenv("GOMP_SPINCOUNT", "2000", /*overwrite=*/0);
}

/// LibTorch's libraries end the process where the working directory was deleted, with a message of their own.
void expect_working_directory() {
  std::error_code gone;
  if (std::filesystem::current_path(gone).empty())
    throw ingot::ConfigError(fmt::format("the working directory: {}; start from a folder that is there", gone.message()));
}

int become(const char* program, char** argv) {
  expect_working_directory();
  limit_spinning();
  ingot::hold_libraries_to_isa();
  ingot::end_if_stopped("starting, nothing is lost");
  const auto path = std::filesystem::read_symlink("/proc/self/exe").parent_path() / program;
  ::execv(path.c_str(), argv);
  throw ingot::ConfigError(fmt::format("{}: cannot be started: {}", path.string(), std::strerror(errno)));
}

}  // namespace

int main(int argc, char** argv) {
  const auto engine = [argv](const auto&) { return become("ingot-engine", argv); };
  ingot::cli::Jobs jobs = ingot::cli::front_jobs();
  const auto checked = [argv](const char* program) {
    return [argv, program](const auto& request) {
      expect_working_directory();
      ingot::cli::refuse_early(request);
      return become(program, argv);
    };
  };
  jobs.train = jobs.check_train = checked("ingot-engine");
  jobs.preprocess = checked("ingot-data");
  jobs.inspect_raw = [argv](const auto&) { return become("ingot-data", argv); };
  jobs.kernels = engine;
  jobs.evaluate = engine;
  jobs.generate = engine;
  jobs.convert = engine;
  jobs.export_model = engine;
  ingot::cli::leave(ingot::cli::run_cli(argc, argv, jobs));
}
