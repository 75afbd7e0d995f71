#include "cli/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/key.h"

namespace ingot::cli {
namespace {

constexpr const char* kFunction = R"script(_ingot() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} verb= words= key= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${{COMP_WORDS[i]}} in -*) ;; *) verb=${{COMP_WORDS[i]}}; break ;; esac
  done
  COMPREPLY=()
  # The shell cuts words at "=": --set KEY = VALUE.
  if [ "$before" = --set ]; then
    COMPREPLY=($(compgen -S = -W "{keys}" -- "$current"))
    compopt -o nospace 2>/dev/null
    return
  fi
  if [ "$current" = = ] && [ "${{COMP_WORDS[COMP_CWORD-2]}}" = --set ]; then key=$before current=
  elif [ "$before" = = ] && [ "${{COMP_WORDS[COMP_CWORD-3]}}" = --set ]; then key=${{COMP_WORDS[COMP_CWORD-2]}}
  fi
  case $key in
{values}  esac
  if [ -n "$key" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    return
  fi
  case $verb in
    "") words="{verbs}" ;;
{flags}  esac
  case $verb:$current in
    :* | *:-*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  esac
}}
complete -o default -F _ingot ingot
)script";

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options())
    for (const auto& name : option->get_lnames()) flags.push_back("--" + name);
  return flags;
}

/// One branch for every key that has a few values.
std::string value_branches() {
  std::string branches;
  for (const auto& section : config::key_table())
    for (const auto& key : section.keys) {
      const bool is_switch = std::holds_alternative<config::Place<bool>>(key.field);
      const auto& values = is_switch ? std::vector<std::string>{"true", "false"} : key.range.choices;
      if (!values.empty()) branches += fmt::format("    {}) words=\"{}\" ;;\n", key.name, fmt::join(values, " "));
    }
  return branches;
}

std::vector<std::string> key_names() {
  std::vector<std::string> names;
  for (const auto& section : config::key_table())
    for (const auto& key : section.keys) names.emplace_back(key.name);
  return names;
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::string& shell) {
  std::vector<std::string> verbs = flags_of(app);
  std::string flags;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    verbs.push_back(verb->get_name());
    flags += fmt::format("    {}) words=\"{}\" ;;\n", verb->get_name(), fmt::join(flags_of(*verb), " "));
  }
  const std::string function = fmt::format(kFunction, fmt::arg("keys", fmt::join(key_names(), " ")), fmt::arg("values", value_branches()),
                                           fmt::arg("verbs", fmt::join(verbs, " ")), fmt::arg("flags", flags));
  return (shell == "zsh" ? "autoload -U +X bashcompinit && bashcompinit\n" : "") + function;
}

}  // namespace ingot::cli
