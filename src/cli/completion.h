#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace ingot::cli {

/// A script for bash or zsh that completes the verbs of `app`, their flags, and keys and values behind --set. Where nothing
/// of these fits, files are completed.
std::string completion_script(const CLI::App& app, const std::string& shell);

}  // namespace ingot::cli
