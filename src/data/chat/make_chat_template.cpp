#include <fmt/format.h>

#include "core/error.h"
#include "core/printable.h"
#include "core/problems.h"
#include "data/chat/chat_formats.h"

namespace ingot::data {
namespace {

constexpr ChatTemplateMaker kMakers[] = {make_chatml, make_llama3, make_inst, make_glm, make_baichuan2, make_plain};

bool is_file_name(const std::string& text) {
  return text.ends_with(".yaml") || text.ends_with(".yml") || text.find('/') != std::string::npos;
}

}  // namespace

std::unique_ptr<ChatTemplate> make_chat_template(const std::string& name_or_file, const ChatOptions& options) {
  if (is_file_name(name_or_file)) return make_formatted(read_chat_formats(name_or_file), options);
  for (const auto make : kMakers)
    if (auto made = make(name_or_file, options)) return made;
  const auto names = chat_template_names();
  const std::string near = nearest_word(name_or_file, names);
  throw ConfigError(fmt::format("template: found {}, wanted a YAML file or one of {}{}", in_quotes(name_or_file),
                                fmt::join(names, ", "), near.empty() ? "" : fmt::format("; did you mean {}?", near)));
}

std::vector<std::string> chat_template_names() {
  return {"alpaca",     "baichuan2", "chatglm2",       "chatglm3",  "chatglm3_system", "chatml",  "chatml_de", "cpm",
          "deepseek2",  "deepseek2-lite", "default",   "empty",     "gemma",           "glm4",    "llama2",    "llama3",
          "llama3.1",   "llama3.2",  "mistral",        "mixtral",   "qwen",            "qwen1.5", "qwen2",     "qwen2.5",
          "smollm2",    "yi"};
}

}  // namespace ingot::data
