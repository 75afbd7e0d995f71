// Verbs that help to write command lines and configurations.
#include <iostream>

#include "cli/commands.h"
#include "cli/completion.h"
#include "config/key_schema.h"

namespace ingot::cli {

void add_schema(CLI::App& app, const Jobs&, int&) {
  auto language = std::make_shared<std::string>("en");
  CLI::App* verb = add_verb(app, "schema", "Print a JSON schema of a configuration, for editors",
                            "  ingot schema > ingot.schema.json\n"
                            "  # yaml-language-server: $schema=ingot.schema.json     as first line of run.yaml");
  verb->add_option("--language", *language, "Of the descriptions: en or zh")->check(CLI::IsMember({"en", "zh"}))->capture_default_str();
  verb->callback([language] {
    const auto schema = config::key_schema(*language == "zh" ? config::Language::kChinese : config::Language::kEnglish);
    std::cout << schema.dump(2) << "\n";
  });
}

void add_completion(CLI::App& app, const Jobs&, int&) {
  auto shell = std::make_shared<std::string>();
  CLI::App* verb = add_verb(app, "completion", "Print a script that completes verbs, flags and keys in a shell",
                            "  source <(ingot completion bash)          # in ~/.bashrc\n"
                            "  source <(ingot completion zsh)           # in ~/.zshrc, behind compinit");
  verb->add_option("shell", *shell, "bash or zsh")->required()->check(CLI::IsMember({"bash", "zsh"}));
  verb->callback([shell, &app] { std::cout << completion_script(app, *shell); });
}

}  // namespace ingot::cli
