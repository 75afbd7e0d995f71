#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "data/chat/chat_template.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

using Words = std::vector<std::string_view>;

/// What tells a template's Jinja text: words that have to be in it, words that must not be, and how many conditions it
/// has at most. More conditions are logic of another template.
struct Marks {
  const char* name;
  Words wanted, unwanted;
  size_t max_conditions;
};

const Marks kMarks[] = {
    {"qwen2.5", {"<|im_start|>", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", "<tools>",
                 "<tool_call>", "<tool_response>"}, {"think"}, 20},
    {"smollm2", {"<|im_start|>", "message['role']", "named SmolLM, trained by Hugging Face<|im_end|>"}, {"tool"}, 2},
    {"qwen2", {"<|im_start|>", "message['role']", "system\nYou are a helpful assistant.<|im_end|>"}, {"tool"}, 2},
    {"qwen1.5", {"<|im_start|>", "message['role']", "system\nYou are a helpful assistant<|im_end|>"}, {"tool"}, 2},
    {"chatml", {"<|im_start|>", "<|im_end|>", "message['role']"}, {"You are", "trim", "strip", "bos_token", "tool"}, 2},
    {"llama3.2", {"<|start_header_id|>", "<|eot_id|>", "Cutting Knowledge Date", "strftime_now"}, {}, 40},
    {"llama3.1", {"<|start_header_id|>", "<|eot_id|>", "Cutting Knowledge Date"}, {"strftime_now"}, 40},
    {"llama3", {"<|start_header_id|>", "<|eot_id|>", "| trim", "bos_token"}, {"tool", "You are"}, 2},
    {"llama2", {"[INST] ", " [/INST]", "<<SYS>>\n", "strip()", "bos_token + '[INST] '"}, {"respectful and honest"}, 8},
    {"mistral", {"'[INST] '", "' [/INST]'", "{{ message['content'] + eos_token"}, {"<<SYS>>", "tool"}, 6},
    {"chatglm3", {"[gMASK]sop"}, {}, 3},
    {"glm4", {"[gMASK]<sop>"}, {"think"}, 40},
    {"baichuan2", {"<reserved_106>", "<reserved_107>"}, {}, 6},
};

size_t count_conditions(std::string_view jinja) {
  size_t count = 0;
  for (size_t at = jinja.find("{%"); at != std::string_view::npos; at = jinja.find("{%", at + 2)) {
    const size_t word = jinja.find_first_not_of("-+ \n", at + 2);
    if (word == std::string_view::npos) break;
    const std::string_view tag = jinja.substr(word);
    count += tag.starts_with("if ") || tag.starts_with("elif ");
  }
  return count;
}

bool contains(std::string_view text, std::string_view word) { return text.find(word) != std::string_view::npos; }

bool matches(const Marks& marks, std::string_view jinja) {
  const auto in_text = [&](std::string_view word) { return contains(jinja, word); };
  return std::all_of(marks.wanted.begin(), marks.wanted.end(), in_text) &&
         std::none_of(marks.unwanted.begin(), marks.unwanted.end(), in_text) &&
         count_conditions(jinja) <= marks.max_conditions;
}

/// The name with the largest share of its marks in the text; empty when none has any.
std::string nearest_template(std::string_view jinja) {
  std::string best;
  double best_share = 0;
  for (const auto& marks : kMarks) {
    const auto found = std::count_if(marks.wanted.begin(), marks.wanted.end(),
                                     [&](std::string_view word) { return contains(jinja, word); });
    const double share = static_cast<double>(found) / static_cast<double>(marks.wanted.size());
    if (share > best_share) best = marks.name, best_share = share;
  }
  return best;
}

/// The parts of a folder that tell.
class Folder {
 public:
  explicit Folder(const FolderFiles& folder)
      : config_(read("config.json", folder)), tokenizer_config_(read("tokenizer_config.json", folder)),
        generation_config_(read("generation_config.json", folder)) {
    if (folder.has("chat_template.jinja")) jinja_ = folder.text("chat_template.jinja", size_t{1} << 20).text;
    else jinja_ = jinja_of_config();
    for (size_t at = jinja_.find("\\n"); at != std::string::npos; at = jinja_.find("\\n", at)) jinja_.replace(at, 2, "\n");
  }

  std::string text(const char* name) const { return text_of(config_, name); }
  std::string tokenizer_class() const { return text_of(tokenizer_config_, "tokenizer_class"); }
  const Json& generation_config() const { return generation_config_; }
  bool has_token(std::string_view token) const { return contains(dump(tokenizer_config_), token); }
  /// The template's text, with its "\n" escapes as newlines.
  const std::string& jinja() const { return jinja_; }

 private:
  static Json read(const char* name, const FolderFiles& folder) {
    const Json json = folder.has(name) ? folder.json(name, size_t{64} << 20) : Json::object();
    if (!json.is_object()) throw DataError(fmt::format("{}: not a JSON object", (folder.path() / name).string()));
    return json;
  }
  static std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }
  static std::string text_of(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
  }

  /// One text, or a list of named ones with "default" among them.
  std::string jinja_of_config() const {
    const auto found = tokenizer_config_.find("chat_template");
    if (found == tokenizer_config_.end() || !found->is_array()) return text_of(tokenizer_config_, "chat_template");
    for (const auto& item : *found)
      if (item.is_object() && text_of(item, "name") == "default") return text_of(item, "template");
    return "";
  }

  Json config_, tokenizer_config_, generation_config_;
  std::string jinja_;
};

/// Families that had their format in code before templates were files; empty for others and for their base models.
std::string template_without_jinja(const Folder& folder) {
  const std::string type = folder.text("model_type"), tokenizer = folder.tokenizer_class();
  const Json& generation = folder.generation_config();
  if (tokenizer == "ChatGLM4Tokenizer") return "glm4";
  if (tokenizer == "ChatGLMTokenizer") return "chatglm3";
  if (type == "qwen" || tokenizer == "QWenTokenizer")
    return generation.contains("chat_format") && generation["chat_format"] != "chatml" ? "" : "qwen";
  if (type == "baichuan" || tokenizer == "BaichuanTokenizer")
    return generation.empty() || generation.contains("user_token_id") ? "baichuan2" : "";
  return "";
}

std::string of_family(std::string name, const Folder& folder) {
  if (name == "chatml" && folder.has_token("<|startoftext|>")) return "yi";
  if (name == "qwen2" && folder.text("model_type") == "qwen") return "qwen";
  if (name == "mistral" && folder.text("model_type") == "mixtral") return "mixtral";
  return name;
}

[[noreturn]] void fail(const fs::path& folder, const std::string& why, const std::string& near) {
  throw ConfigError(fmt::format("{}: {}; choose one with `template: NAME`{}, of {}, or describe it in a YAML file",
                                folder.string(), why, near, fmt::join(chat_template_names(), ", ")));
}

}  // namespace

std::string detect_chat_template(const FolderFiles& files) {
  const Folder folder(files);
  if (folder.jinja().empty()) {
    const std::string name = template_without_jinja(folder);
    if (!name.empty()) return name;
    fail(files.path(), "no chat template (chat_template.jinja, or chat_template in tokenizer_config.json): a base model has none",
         ", such as default or alpaca");
  }
  for (const auto& marks : kMarks)
    if (matches(marks, folder.jinja())) return of_family(marks.name, folder);
  const std::string near = nearest_template(folder.jinja());
  fail(files.path(), "its chat template is none that Ingot knows",
       near.empty() ? "" : fmt::format(" (the nearest is {})", of_family(near, folder)));
}

}  // namespace ingot::data
