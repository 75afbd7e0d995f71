#include <csignal>
#include <iostream>

#include "cli/commands.h"
#include "cli/version.h"
#include "core/failure.h"
#include "core/log.h"
#include "core/mapped_ranges.h"
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
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  report_lost_mappings();
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
  jobs.models = [](const auto& request) { return workflows::print_models(request, std::cout); };
  jobs.check_config = [](const auto& request) { return workflows::check_config(request, std::cout); };
  jobs.tokenize = [](const auto& request) { return workflows::tokenize(request, std::cin, std::cout); };
  jobs.inspect = [](const auto& request) { return workflows::inspect(request, std::cout); };
  return jobs;
}

int run_cli(int argc, char** argv, const Jobs& jobs) {
  std::ios::sync_with_stdio(false);
  stop_on_signals();
  int exit_code = kExitOk;
  CLI::App app("Ingot trains open language models: raw data, a Hugging Face folder and one YAML file in, a trained folder out.",
               "ingot");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", version_text());
  app.add_flag_callback("--quiet", [] { set_quiet(true); }, "No progress on standard error");
  for (const auto add : {add_train, add_preprocess, add_evaluate, add_generate, add_export, add_convert, add_inspect,
                         add_tokenize, add_models})
    add(app, jobs, exit_code);
  try {
    app.parse(argc, argv);
    std::cout.flush();
    return exit_code;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitConfig;
  } catch (const std::exception& error) {
    return fail(error);
  }
}

}  // namespace ingot::cli
