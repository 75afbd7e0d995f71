#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "core/content_digest.h"
#include "core/error.h"
#include "core/log.h"
#include "data/chat/chat_template.h"
#include "data/chat/jinja_shape.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

using Words = std::vector<std::string_view>;

/// What tells a template whose Jinja text has branches for tools or is written in many ways: words that have to be in it, words
/// that must not be, and how many conditions it has at most. More conditions are logic of another template. `published` are digests
/// of the shapes of the makers' own texts, where they are known: a line says when it is none of them.
struct Marks {
  const char* name;
  Words wanted, unwanted;
  size_t max_conditions;
  Words published = {};
};

const Marks kMarks[] = {
    {"qwen2.5", {"<|im_start|>", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", "<tools>",
                 "<tool_call>", "<tool_response>"}, {"think"}, 20, {"cd4286c112c05748"}},
    {"llama3.2", {"<|start_header_id|>", "<|eot_id|>", "Cutting Knowledge Date", "strftime_now"}, {}, 40},
    {"llama3.1", {"<|start_header_id|>", "<|eot_id|>", "Cutting Knowledge Date"}, {"strftime_now"}, 40},
    {"llama2", {"[INST] ", " [/INST]", "<<SYS>>\n", "strip()", "bos_token + '[INST] '"}, {"respectful and honest"}, 8},
    {"glm4", {"[gMASK]<sop>"}, {"think"}, 40},
    {"baichuan2", {"<reserved_106>", "<reserved_107>"}, {}, 6},
};

/// A template that is told by the shape of its Jinja text (jinja_shape.h), without what opens an answer at its end; `near` are
/// words that a text akin to it has.
struct KnownShape {
  const char* name;
  Words near;
  std::string body;
  const char* opening = nullptr;
};

const std::string kChatMlMessage = "{{'<|im_start|>'+message['role']+'\n'+message['content']+'<|im_end|>\n'}}{%endfor%}";
constexpr const char* kChatMlOpening = "<|im_start|>assistant\n";

/// ChatML that puts a system message in front of a conversation that has none.
std::string chatml_with(const std::string& system) {
  return "{%for message in messages%}{%if loop.first and messages[0]['role']!='system'%}{{'<|im_start|>system\n" + system +
         "<|im_end|>\n'}}{%endif%}" + kChatMlMessage;
}

/// Source: the published files; MODELS §5.
const std::string kLlama3Message =
    "{%set content='<|start_header_id|>'+message['role']+'<|end_header_id|>\n\n'+message['content']|trim+'<|eot_id|>'%}"
    "{%if loop.index0==0%}{%set content=bos_token+content%}{%endif%}{{content}}{%endfor%}";
const std::string kMistralMessage =
    "{%if message['role']=='user'%}{{'[INST] '+message['content']+' [/INST]'}}{%elif message['role']=='assistant'%}"
    "{{message['content']+eos_token}}{%else%}{{raise_exception()}}{%endif%}{%endfor%}";

const KnownShape kShapes[] = {
    {"smollm2", {"named SmolLM"}, chatml_with("You are a helpful AI assistant named SmolLM, trained by Hugging Face"), kChatMlOpening},
    {"qwen2", {"<|im_start|>", "You are a helpful assistant."}, chatml_with("You are a helpful assistant."), kChatMlOpening},
    {"qwen1.5", {"<|im_start|>", "You are a helpful assistant<|im_end|>"}, chatml_with("You are a helpful assistant"), kChatMlOpening},
    {"chatml", {"<|im_start|>", "<|im_end|>"}, "{%for message in messages%}" + kChatMlMessage, kChatMlOpening},
    {"llama3", {"<|start_header_id|>", "<|eot_id|>"}, "{%set loop_messages=messages%}{%for message in loop_messages%}" + kLlama3Message,
     "<|start_header_id|>assistant<|end_header_id|>\n\n"},
    {"llama3", {}, "{%for message in messages%}" + kLlama3Message, "<|start_header_id|>assistant<|end_header_id|>\n\n"},
    {"mistral", {"[INST] ", " [/INST]"}, "{{bos_token}}{%for message in messages%}" + kMistralMessage},
    {"mistral", {}, "{{bos_token}}{%for message in messages%}{%if(message['role']=='user')!=(loop.index0%2==0)%}{{raise_exception()}}"
                    "{%endif%}" + kMistralMessage},
    {"chatglm3", {"[gMASK]sop"}, "{%for message in messages%}{%if loop.first%}{{'[gMASK]sop<|'+message['role']+'|> \n '+message['content']}}"
                                 "{%else%}{{'<|'+message['role']+'|> \n '+message['content']}}{%endif%}{%endfor%}", "<|assistant|>"},
};

/// Takes `end` off; says whether it was there.
bool take_off(std::string& text, const std::string& end) {
  if (!text.ends_with(end)) return false;
  text.resize(text.size() - end.size());
  return true;
}

bool matches(const KnownShape& known, std::string shape) {
  const std::string unset = "{%if not add_generation_prompt is defined%}{%set add_generation_prompt=false%}{%endif%}";
  if (shape.starts_with(unset)) shape.erase(0, unset.size());
  if (known.opening) {
    const std::string opening = std::string("{{'") + known.opening + "'}}";
    if (!take_off(shape, "{%if add_generation_prompt%}" + opening + "{%endif%}")) take_off(shape, opening);
  }
  return shape == known.body;
}

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

/// The name with the largest share of its words in the text; empty when none has any.
std::string nearest_template(std::string_view jinja) {
  std::string best;
  double best_share = 0;
  const auto weigh = [&](const char* name, const Words& words) {
    const auto found = std::count_if(words.begin(), words.end(), [&](std::string_view word) { return contains(jinja, word); });
    const double share = words.empty() ? 0 : static_cast<double>(found) / static_cast<double>(words.size());
    if (share > best_share) best = name, best_share = share;
  };
  for (const auto& known : kShapes) weigh(known.name, known.near);
  for (const auto& marks : kMarks) weigh(marks.name, marks.wanted);
  return best;
}

std::string digest_of(const std::string& shape) { return ContentDigest().add(std::as_bytes(std::span(shape))).hex(); }

void warn_unless_published(const Marks& marks, const std::string& shape) {
  const auto& known = marks.published;
  if (known.empty() || std::find(known.begin(), known.end(), digest_of(shape)) != known.end()) return;
  log_warning(fmt::format("the model's chat template has the marks of {0} and another text than the published one: it is taken for {0}; "
                          "`ingot tokenize --chat` shows what is trained, `template: FILE` describes another", marks.name));
}

/// The name of the template that renders what this Jinja text renders; nothing when none does.
std::optional<std::string> name_of(const std::string& jinja) {
  const std::string shape = jinja_shape(jinja);
  for (const auto& known : kShapes)
    if (matches(known, shape)) return known.name;
  std::string text = jinja;
  for (size_t at = text.find("\\n"); at != text.npos; at = text.find("\\n", at)) text.replace(at, 2, "\n");
  for (const auto& marks : kMarks)
    if (matches(marks, text)) return warn_unless_published(marks, shape), marks.name;
  return {};
}

/// Files of a template, that which transformers prefers first.
constexpr const char* kTemplateFiles[] = {"additional_chat_templates/default.jinja", "chat_template.jinja"};

/// The parts of a folder that tell.
class Folder {
 public:
  explicit Folder(const FolderFiles& folder)
      : config_(read("config.json", folder)), tokenizer_config_(read("tokenizer_config.json", folder)),
        generation_config_(read("generation_config.json", folder)) {
    const auto file = std::find_if(std::begin(kTemplateFiles), std::end(kTemplateFiles), [&](const char* name) { return folder.has(name); });
    if (file != std::end(kTemplateFiles)) jinja_ = folder.text(*file, size_t{1} << 20).text;
    else jinja_ = jinja_of_config();
  }

  std::string text(const char* name) const { return text_of(config_, name); }
  std::string tokenizer_class() const { return text_of(tokenizer_config_, "tokenizer_class"); }
  const Json& generation_config() const { return generation_config_; }
  bool has_token(std::string_view token) const { return contains(json_text(tokenizer_config_), token); }
  /// The template's text.
  const std::string& jinja() const { return jinja_; }

 private:
  static Json read(const char* name, const FolderFiles& folder) {
    const Json json = folder.has(name) ? folder.json(name, size_t{64} << 20) : Json::object();
    if (!json.is_object()) throw DataError(fmt::format("{}: not a JSON object", (folder.path() / name).string()));
    return json;
  }
  static std::string text_of(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
  }

  /// One text, or a list or an object of named ones with "default" among them.
  std::string jinja_of_config() const {
    const auto found = tokenizer_config_.find("chat_template");
    if (found != tokenizer_config_.end() && found->is_object()) return text_of(*found, "default");
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
  if (const auto name = name_of(folder.jinja())) return of_family(*name, folder);
  const std::string near = nearest_template(folder.jinja());
  fail(files.path(), "its chat template is none that Ingot knows",
       near.empty() ? "" : fmt::format(" (the nearest is {})", of_family(near, folder)));
}

}  // namespace ingot::data
