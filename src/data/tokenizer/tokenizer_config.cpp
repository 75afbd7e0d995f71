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
    if (!value || value->is_string()) return text(name);
    if (!value->is_object()) refuse(name, *value, "a string or an object with content");
    return Fields(*value, fmt::format("{}: {}", source_, name)).text("content");
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

}  // namespace

TokenizerConfig read_tokenizer_config(const fs::path& folder) {
  TokenizerConfig config;
  const fs::path file = folder / "tokenizer_config.json", map_file = folder / "special_tokens_map.json";
  if (fs::exists(file)) {
    const Json json = read_json(file);
    const Fields fields(json, file.string());
    config.tokenizer_class = fields.text("tokenizer_class").value_or("");
    config.bos_token = fields.token("bos_token");
    config.eos_token = fields.token("eos_token");
    config.add_bos_token = fields.flag("add_bos_token");
    config.add_eos_token = fields.flag("add_eos_token");
    config.legacy = fields.flag("legacy").value_or(true);
    if (const Json* decoder = fields.find("added_tokens_decoder"))
      config.added_tokens = read_added_tokens(*decoder, file.string());
  }
  if (fs::exists(map_file)) {
    const Json json = read_json(map_file);
    const Fields fields(json, map_file.string());
    if (!config.bos_token) config.bos_token = fields.token("bos_token");
    if (!config.eos_token) config.eos_token = fields.token("eos_token");
  }
  return config;
}

void apply_config(TokenizerParts& parts, const TokenizerConfig& config, const std::string& source) {
  const auto known = [&](const AddedToken& token) {
    for (const AddedToken& other : parts.added_tokens)
      if (other.content == token.content) return true;
    return false;
  };
  for (const AddedToken& token : config.added_tokens) {
    if (known(token)) continue;
    const auto id = parts.vocabulary.find(token.content);
    if (id.value_or(token.id) != token.id || (!id && !parts.vocabulary.insert(token.content, token.id)))
      throw DataError(fmt::format("{}: added token \"{}\" has id {}, which the vocabulary gives otherwise", source,
                                  token.content, token.id));
    parts.added_tokens.push_back(token);
  }
  const auto id_of_token = [&](const std::optional<std::string>& token) {
    return token ? parts.vocabulary.find(*token) : std::nullopt;
  };
  if (const auto id = id_of_token(config.bos_token)) parts.bos = id;
  if (const auto id = id_of_token(config.eos_token)) parts.eos = id;
  if (!config.add_bos_token && !config.add_eos_token) return;
  parts.prefix.clear(), parts.suffix.clear();
  if (config.add_bos_token.value_or(false) && parts.bos) parts.prefix = {*parts.bos};
  if (config.add_eos_token.value_or(false) && parts.eos) parts.suffix = {*parts.eos};
}

}  // namespace ingot::data
