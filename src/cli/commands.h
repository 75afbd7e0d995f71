#pragma once

#include <CLI/CLI.hpp>

#include "cli/jobs.h"

namespace ingot::cli {

/// Each adds one verb with its flags and help; when the verb is given, `exit_code` receives the job's result.
void add_train(CLI::App& app, const Jobs& jobs, int& exit_code);
void add_launch(CLI::App& app, const Jobs& jobs, int& exit_code);
void add_preprocess(CLI::App& app, const Jobs& jobs, int& exit_code);
void add_evaluate(CLI::App& app, const Jobs& jobs, int& exit_code);
void add_generate(CLI::App& app, const Jobs& jobs, int& exit_code);
void add_convert(CLI::App& app, const Jobs& jobs, int& exit_code);
void add_export(CLI::App& app, const Jobs& jobs, int& exit_code);
void add_inspect(CLI::App& app, const Jobs& jobs, int& exit_code);
void add_tokenize(CLI::App& app, const Jobs& jobs, int& exit_code);
void add_plan(CLI::App& app, const Jobs& jobs, int& exit_code);
void add_modelarts(CLI::App& app, const Jobs& jobs, int& exit_code);
void add_models(CLI::App& app, const Jobs& jobs, int& exit_code);
void add_schema(CLI::App& app, const Jobs& jobs, int& exit_code);
void add_completion(CLI::App& app, const Jobs& jobs, int& exit_code);

/// --max-restarts and --min-nproc.
void add_restart_flags(CLI::App* verb, workflows::LaunchRequest& request);

/// A verb with examples under its help.
CLI::App* add_verb(CLI::App& app, const std::string& name, const std::string& summary, const std::string& examples);

}  // namespace ingot::cli
