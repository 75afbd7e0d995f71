#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

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

  /// A special token is given as its text or as an object with it.
  std::optional<AddedToken> token(const char* name) const {
    const Json* value = find(name);
    return value ? token_of(name, *value) : std::nullopt;
  }

  /// A list of tokens, or an object of tokens by their use.
  std::vector<AddedToken> tokens(const char* name) const {
    std::vector<AddedToken> tokens;
    const Json* list = find(name);
    if (!list) return tokens;
    if (!list->is_array() && !list->is_object()) refuse(name, *list, "a list of tokens");
    for (const Json& value : *list)
      if (auto token = token_of(name, value)) tokens.push_back(std::move(*token));
    return tokens;
  }

  std::optional<AddedToken> token_of(const std::string& name, const Json& value) const {
    if (value.is_string()) return AddedToken{.content = value.get<std::string>(), .special = true};
    if (!value.is_object()) refuse(name, value, "a string or an object with content");
    const Fields fields(value, fmt::format("{}: {}", source_, name));
    const auto content = fields.text("content");
    if (!content) return std::nullopt;
    AddedToken token = fields.added_token(*content, -1);
    token.special = true;
    return token;
  }

  AddedToken added_token(std::string content, TokenId id) const {
    return {.content = std::move(content), .id = id, .single_word = flag("single_word").value_or(false), .lstrip = flag("lstrip").value_or(false),
            .rstrip = flag("rstrip").value_or(false), .normalized = flag("normalized").value_or(false), .special = flag("special").value_or(false)};
  }

  const Json& object() const { return object_; }

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
    tokens.push_back(fields.added_token(fields.text("content").value_or(""), id_of(key, source)));
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

constexpr const char* kNames[] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

/// The special tokens that the files name, in the order in which transformers 5 gives ids to those that have none: those of
/// kNames, those of a model's own keys, and the rest. Source: tokenization_utils_base.py and tokenization_utils_tokenizers.py.
class SpecialTokens {
 public:
  /// What a file read later says replaces what one before said; more without a name count once.
  void read(const Fields& fields) {
    for (const auto& [key, value] : fields.object().items())
      if (has_name(key) || (key.ends_with("_token") && (value.is_string() || value.is_object())))
        if (auto token = fields.token(key.c_str())) set(key, std::move(*token));
    auto more = fields.tokens("extra_special_tokens");
    if (more.empty() && extra_.empty()) more = fields.tokens("additional_special_tokens");
    extra_.insert(extra_.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }

  std::optional<std::string> content(const std::string& name) const {
    const auto found = std::find_if(named_.begin(), named_.end(), [&](const auto& token) { return token.first == name; });
    return found == named_.end() ? std::nullopt : std::optional(found->second.content);
  }

  std::vector<AddedToken> all() const {
    std::vector<AddedToken> tokens;
    for (const char* name : kNames)
      for (const auto& [key, token] : named_)
        if (key == name) tokens.push_back(token);
    for (const auto& [key, token] : named_)
      if (!has_name(key)) tokens.push_back(token);
    tokens.insert(tokens.end(), extra_.begin(), extra_.end());
    return tokens;
  }

 private:
  static bool has_name(const std::string& key) { return std::find(std::begin(kNames), std::end(kNames), key) != std::end(kNames); }
  void set(const std::string& name, AddedToken token) {
    const auto found = std::find_if(named_.begin(), named_.end(), [&](const auto& known) { return known.first == name; });
    if (found != named_.end()) found->second = std::move(token);
    else named_.emplace_back(name, std::move(token));
  }
  std::vector<std::pair<std::string, AddedToken>> named_;
  std::vector<AddedToken> extra_;
};

}  // namespace

TokenizerConfig read_tokenizer_config(const FolderFiles& folder) {
  TokenizerConfig config;
  bool has_decoder = false;
  SpecialTokens special;
  if (folder.has("tokenizer_config.json")) {
    const std::string source = folder.text("tokenizer_config.json").source;
    const Json json = folder.json("tokenizer_config.json");
    const Fields fields(json, source);
    config.tokenizer_class = fields.text("tokenizer_class").value_or("");
    config.add_bos_token = fields.flag("add_bos_token");
    config.add_eos_token = fields.flag("add_eos_token");
    if (fields.flag("split_special_tokens").value_or(false))
      throw DataError(fmt::format("{}: split_special_tokens: found true, wanted false: texts with special tokens in pieces are not supported", source));
    config.legacy = fields.flag("legacy").value_or(true);
    special.read(fields);
    const Json* decoder = fields.find("added_tokens_decoder");
    has_decoder = decoder != nullptr;
    if (decoder) config.added_tokens = read_added_tokens(*decoder, source);
  }
  if (!has_decoder && folder.has("special_tokens_map.json")) {  // older than the decoder, which transformers prefers
    const Json json = folder.json("special_tokens_map.json");
    special.read(Fields(json, folder.text("special_tokens_map.json").source));
  }
  config.bos_token = special.content("bos_token");
  config.eos_token = special.content("eos_token");
  config.special_tokens = special.all();
  if (!has_decoder && folder.has("added_tokens.json")) config.added_tokens = read_added_tokens_file(folder.text("added_tokens.json"));
  return config;
}

}  // namespace ingot::data
