// `ingot`: parses every verb at once and does the light ones itself. Verbs that need tensors replace this process by
// `ingot-engine`, which lies beside it and loads LibTorch, with the same arguments.
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

int become_engine(char** argv) {
  expect_working_directory();
  limit_spinning();
  ingot::hold_libraries_to_isa();
  ingot::end_if_stopped("starting, nothing is lost");
  const auto engine = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "ingot-engine";
  ::execv(engine.c_str(), argv);
  throw ingot::ConfigError(fmt::format("{}: cannot be started: {}", engine.string(), std::strerror(errno)));
}

}  // namespace

int main(int argc, char** argv) {
  const auto engine = [argv](const auto&) { return become_engine(argv); };
  ingot::cli::Jobs jobs = ingot::cli::front_jobs();
  const auto checked = [argv](const auto& request) {
    expect_working_directory();
    ingot::cli::refuse_early(request);
    return become_engine(argv);
  };
  jobs.train = jobs.check_train = jobs.preprocess = checked;
  jobs.kernels = engine;
  jobs.evaluate = engine;
  jobs.generate = engine;
  jobs.convert = engine;
  jobs.export_model = engine;
  jobs.inspect_raw = engine;
  ingot::cli::leave(ingot::cli::run_cli(argc, argv, jobs));
}
