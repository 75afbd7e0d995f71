#include <fmt/format.h>

#include <charconv>

#include "core/error.h"
#include "core/json.h"
#include "data/tokenizer/tokenizer_files.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

/// One JSON object of a file, with messages that name both.
class Fields {
 public:
  Fields(const Json& object, std::string source) : object_(object), source_(std::move(source)) {
    if (!object_.is_object()) throw DataError(fmt::format("{}: not a JSON object", source_));
  }

  const Json* find(const char* name) const {
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  std::optional<bool> flag(const char* name) const {
    const Json* value = find(name);
    if (!value) return std::nullopt;
    if (!value->is_boolean()) refuse(name, *value, "true or false");
    return value->get<bool>();
  }

  std::optional<std::string> text(const char* name) const {
    const Json* value = find(name);
    if (!value) return std::nullopt;
    if (!value->is_string()) refuse(name, *value, "a string");
    return value->get<std::string>();
  }

  /// A token is given as its text or as an object with it.
  std::optional<std::string> token(const char* name) const {
    const Json* value = find(name);
    return value ? token_text(name, *value) : std::nullopt;
  }

  /// A list of tokens, or an object of tokens by their use.
  std::vector<std::string> tokens(const char* name) const {
    std::vector<std::string> texts;
    const Json* list = find(name);
    if (!list) return texts;
    if (!list->is_array() && !list->is_object()) refuse(name, *list, "a list of tokens");
    for (const Json& value : *list)
      if (auto text = token_text(name, value)) texts.push_back(std::move(*text));
    return texts;
  }

  std::optional<std::string> token_text(const char* name, const Json& value) const {
    if (value.is_string()) return value.get<std::string>();
    if (!value.is_object()) refuse(name, value, "a string or an object with content");
    return Fields(value, fmt::format("{}: {}", source_, name)).text("content");
  }

  [[noreturn]] void refuse(const std::string& name, const Json& found, const char* wanted) const {
    throw DataError(fmt::format("{}: {}: found {}, wanted {}", source_, name, found.type_name(), wanted));
  }

 private:
  const Json& object_;
  std::string source_;
};

TokenId id_of(const std::string& key, const std::string& source) {
  TokenId id = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  if (error != std::errc() || end != key.data() + key.size() || id < 0 || id >= kMaxTokenId)
    throw DataError(
        fmt::format("{}: added_tokens_decoder: found id \"{}\", wanted 0 to {}", source, key, kMaxTokenId - 1));
  return id;
}

std::vector<AddedToken> read_added_tokens(const Json& decoder, const std::string& source) {
  if (!decoder.is_object()) throw DataError(fmt::format("{}: added_tokens_decoder is not a JSON object", source));
  std::vector<AddedToken> tokens;
  for (const auto& [key, value] : decoder.items()) {
    const Fields fields(value, fmt::format("{}: added_tokens_decoder: {}", source, key));
    AddedToken token{.content = fields.text("content").value_or(""), .id = id_of(key, source)};
    token.single_word = fields.flag("single_word").value_or(false);
    token.lstrip = fields.flag("lstrip").value_or(false);
    token.rstrip = fields.flag("rstrip").value_or(false);
    token.normalized = fields.flag("normalized").value_or(false);
    token.special = fields.flag("special").value_or(false);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

/// added_tokens.json: {"token": id}, what tokenizers wrote before there was added_tokens_decoder.
std::vector<AddedToken> read_added_tokens_file(const NamedText& file) {
  const Json json = parse_json(file.text, file.source);
  if (!json.is_object()) throw DataError(fmt::format("{}: not a JSON object", file.source));
  std::vector<AddedToken> tokens;
  for (const auto& [content, id] : json.items()) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= kMaxTokenId)
      throw DataError(
          fmt::format("{}: \"{}\": found {}, wanted an id from 0 to {}", file.source, content, id.dump(), kMaxTokenId - 1));
    tokens.push_back({.content = content, .id = id.get<TokenId>()});
  }
  return tokens;
}

/// Adds the tokens that the fields name as special, and bos and eos where nothing named them before.
void read_special_tokens(const Fields& fields, TokenizerConfig& config) {
  if (!config.bos_token) config.bos_token = fields.token("bos_token");
  if (!config.eos_token) config.eos_token = fields.token("eos_token");
  for (const char* name : {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"})
    if (auto text = fields.token(name)) config.special_tokens.push_back(std::move(*text));
  for (const char* name : {"additional_special_tokens", "extra_special_tokens"})
    for (auto& text : fields.tokens(name)) config.special_tokens.push_back(std::move(text));
}

}  // namespace

TokenizerConfig read_tokenizer_config(const FolderFiles& folder) {
  TokenizerConfig config;
  bool has_decoder = false;
  if (folder.has("tokenizer_config.json")) {
    const std::string source = folder.text("tokenizer_config.json").source;
    const Json json = folder.json("tokenizer_config.json");
    const Fields fields(json, source);
    config.tokenizer_class = fields.text("tokenizer_class").value_or("");
    config.add_bos_token = fields.flag("add_bos_token");
    config.add_eos_token = fields.flag("add_eos_token");
    config.legacy = fields.flag("legacy").value_or(true);
    read_special_tokens(fields, config);
    const Json* decoder = fields.find("added_tokens_decoder");
    has_decoder = decoder != nullptr;
    if (decoder) config.added_tokens = read_added_tokens(*decoder, source);
  }
  if (folder.has("special_tokens_map.json")) {
    const Json json = folder.json("special_tokens_map.json");
    read_special_tokens(Fields(json, folder.text("special_tokens_map.json").source), config);
  }
  if (!has_decoder && folder.has("added_tokens.json")) config.added_tokens = read_added_tokens_file(folder.text("added_tokens.json"));
  return config;
}

}  // namespace ingot::data
