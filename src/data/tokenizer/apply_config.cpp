#include <fmt/format.h>

#include <unordered_map>

#include "core/error.h"
#include "data/tokenizer/class_tokens.h"
#include "data/tokenizer/tokenizer_files.h"

namespace ingot::data {
namespace {

/// Adds what a config or a class brings to the parts of one tokenizer.
class PartsEditor {
 public:
  PartsEditor(TokenizerParts& parts, const std::string& source) : parts_(parts), source_(source) {
    for (size_t i = 0; i < parts.added_tokens.size(); ++i) places_.emplace(parts.added_tokens[i].content, i);
  }

  /// Adds a token under its id unless the parts have it already.
  void add(const AddedToken& token) {
    if (places_.contains(token.content)) return;
    const auto id = parts_.vocabulary.find(token.content);
    if (id.value_or(token.id) != token.id || (!id && !parts_.vocabulary.insert(token.content, token.id)))
      throw DataError(fmt::format("{}: added token \"{}\" has id {}, which the vocabulary gives otherwise", source_,
                                  token.content, token.id));
    push(token);
  }

  /// Adds a token under the id that it has, or behind all others.
  void append(AddedToken token) {
    token.id = parts_.vocabulary.find(token.content).value_or(static_cast<TokenId>(parts_.vocabulary.size()));
    if (token.id >= kMaxTokenId)
      throw DataError(fmt::format("{}: no id below {} is left for \"{}\"", source_, kMaxTokenId, token.content));
    add(token);
  }

  /// A token that the files name as special is one, whether the vocabulary has it or not.
  void make_special(const AddedToken& token) {
    const auto place = places_.find(token.content);
    if (place != places_.end()) parts_.added_tokens[place->second].special = true;
    else if (!token.content.empty()) append(token);
  }

  std::optional<TokenId> id_of(const std::optional<std::string>& token) const {
    return token ? parts_.vocabulary.find(*token) : std::nullopt;
  }

 private:
  void push(const AddedToken& token) {
    places_.emplace(token.content, parts_.added_tokens.size());
    parts_.added_tokens.push_back(token);
  }

  TokenizerParts& parts_;
  const std::string& source_;
  std::unordered_map<std::string, size_t> places_;  // in added_tokens, by content
};

void set_surrounding(TokenizerParts& parts, const TokenizerConfig& config, const ClassTokens& known) {
  if (parts.prefix.empty())
    for (const auto& token : known.prefix)
      if (const auto id = parts.vocabulary.find(token)) parts.prefix.push_back(*id);
  const auto just = [](const std::optional<bool>& wanted, const std::optional<TokenId>& id) {
    return *wanted && id ? std::vector<TokenId>{*id} : std::vector<TokenId>{};
  };
  if (config.add_bos_token) parts.prefix = just(config.add_bos_token, parts.bos);
  if (config.add_eos_token) parts.suffix = just(config.add_eos_token, parts.eos);
}

}  // namespace

void apply_config(TokenizerParts& parts, const TokenizerConfig& config, const std::string& source) {
  const ClassTokens& known = tokens_of_class(config.tokenizer_class);
  PartsEditor editor(parts, source);
  for (const AddedToken& token : config.added_tokens) editor.add(token);
  for (const AddedToken& token : known.appended) editor.append(token);
  for (const auto& token : config.special_tokens) editor.make_special(token);
  if (const auto id = editor.id_of(config.bos_token)) parts.bos = id;
  if (const auto id = editor.id_of(config.eos_token ? config.eos_token : known.eos)) parts.eos = id;
  parts.special_in_text = known.found_in_text;
  set_surrounding(parts, config, known);
}

}  // namespace ingot::data
