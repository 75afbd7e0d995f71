#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "cli/commands.h"
#include "cli/version.h"
#include "core/error.h"
#include "core/failure.h"
#include "core/log.h"
#include "core/mapped_ranges.h"
#include "core/stack_traces.h"
#include "core/stop.h"

namespace ingot::cli {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 done, 2 a configuration, flag or path to edit, 3 a bad file, 4 a disk, device or peer failed,\n"
    "70 a bug of ours, 143 stopped by a signal with the state saved (a second\n"
    "signal ends it at once and says what is not saved).\n\n"
    "Start here: ingot train examples/smollm2_identity_lora.yaml\n";

void stop_on_signals() {
  struct sigaction action {};
  action.sa_handler = request_stop;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction inherited {};
    sigaction(number, nullptr, &inherited);
    if (number != SIGHUP || inherited.sa_handler != SIG_IGN) sigaction(number, &action, nullptr);  // nohup ignores it for us
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file beyond the limit is a failed write
  report_lost_mappings();
  report_stacks();
}

/// A stream that was closed at the start would be the next file that is opened, and what is printed would be written into it.
void hold_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) < 0) ::open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY);
}

/// What is printed is the result of most verbs: where it cannot be written they have failed. A trained model is not lost with it.
int checked_output(int exit_code, bool output_is_result = true) {
  errno = 0;
  std::cout.flush();
  const bool is_written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good();
  if (is_written) return exit_code;
  const std::string message = fmt::format("standard output: cannot be written{}{}", errno != 0 ? ": " : "", errno != 0 ? std::strerror(errno) : "");
  const bool is_lost = exit_code == kExitOk && output_is_result;
  is_lost ? log_error(message) : log_warning(message);
  return is_lost ? kExitComm : exit_code;
}

int fail(const std::exception& error) {
  const Failure failure = describe_failure(error);
  log_error(failure.message);
  return failure.code;
}

}  // namespace

CLI::App* add_verb(CLI::App& app, const std::string& name, const std::string& summary, const std::string& examples) {
  CLI::App* verb = app.add_subcommand(name, summary);
  verb->footer("Examples:\n" + examples);
  return verb;
}

Jobs front_jobs() {
  Jobs jobs;
  jobs.launch = workflows::launch;
  jobs.plan = [](const auto& request) { return workflows::plan(request, std::cout); };
  jobs.modelarts = [](const auto& request) { return workflows::modelarts(request, std::cout); };
  jobs.modelarts_init = [](const auto& request) { return workflows::modelarts_init(request, std::cout); };
  jobs.performance = [](const auto& request) { return workflows::performance(request, std::cout); };
  jobs.models = [](const auto& request) { return workflows::print_models(request, std::cout); };
  jobs.check_config = [](const auto& request) { return workflows::check_config(request, std::cout); };
  jobs.tokenize = [](const auto& request) { return workflows::tokenize(request, std::cin, std::cout); };
  jobs.inspect = [](const auto& request) { return workflows::inspect(request, std::cout); };
  return jobs;
}

int run_cli(int argc, char** argv, const Jobs& jobs) {
  std::ios::sync_with_stdio(false);
  hold_standard_streams();
  stop_on_signals();
  int exit_code = kExitOk;
  CLI::App app("Ingot trains open language models: raw data, a Hugging Face folder and one YAML file in, a trained folder out.",
               "ingot");
  app.footer(kFooter);
  app.require_subcommand(1);
  bool verbose = false;
  app.add_flag("--verbose", verbose, "With --version: the instruction sets, and which op runs on which path here");
  app.add_flag_callback("--version", [&] {
    if (!verbose) throw CLI::CallForVersion(version_text(), 0);
    jobs.kernels({version_text()});
    throw CLI::Success();
  }, "Display program version information and exit");
  app.add_flag_callback("--quiet", [] { set_quiet(true); }, "No progress on standard error");
  for (const auto add : {add_train, add_plan, add_launch, add_preprocess, add_evaluate, add_generate, add_export, add_convert, add_inspect,
                         add_tokenize, add_modelarts, add_models, add_schema, add_completion})
    add(app, jobs, exit_code);
  try {
    app.parse(argc, argv);
    return checked_output(exit_code, !app.got_subcommand("train") && !app.got_subcommand("launch"));
  } catch (const CLI::ParseError& error) {
    return checked_output(app.exit(error) == 0 ? kExitOk : kExitConfig);
  } catch (const std::exception& error) {
    return fail(error);
  }
}

void leave(int exit_code) {
  std::cout.flush();
  std::fflush(nullptr);
  ::_exit(exit_code);
}

}  // namespace ingot::cli
