#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "core/printable.h"
#include "data/tokenizer/bpe_builder.h"
#include "data/tokenizer/json_vocabulary.h"
#include "data/tokenizer/tokenizer_files.h"
#include "data/tokenizer/tokenizer_json_steps.h"

namespace ingot::data {
namespace {

/// Merges are "left right" or ["left", "right"].
MergeTable read_merges(const JsonField& merges, const Vocabulary& vocabulary) {
  const auto list = merges.array();
  MergeCollector collector(vocabulary, merges.place(), list.size());
  for (const auto element : list) {
    std::string_view left, right;
    if (element.get_string().get(left) == simdjson::SUCCESS) {
      collector.add_line(left);
      continue;
    }
    const auto pair = JsonField(element, merges.place()).array();
    if (pair.size() != 2 || pair.at(0).get_string().get(left) != simdjson::SUCCESS ||
        pair.at(1).get_string().get(right) != simdjson::SUCCESS)
      merges.refuse("a merge that is not two pieces");
    collector.add(left, right);
  }
  return collector.take();
}

CharBpe::Options read_model_options(const JsonField& model, const Vocabulary& vocabulary) {
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model.text_or(name, "").empty()) model.refuse(fmt::format("{} is not supported", name));
  if (const auto dropout = model.find("dropout"); dropout && dropout->number() != 0)
    model.refuse(fmt::format("dropout: found {:g}, wanted 0 or null: leaving merges out at random is not supported", dropout->number()));
  CharBpe::Options options;
  options.fuse_unknown = model.flag_or("fuse_unk", false);
  options.whole_words = model.flag_or("ignore_merges", false);
  options.byte_fallback = model.flag_or("byte_fallback", false);
  if (const auto unknown = model.find("unk_token")) {
    options.unknown = vocabulary.find(unknown->text());
    if (!options.unknown) unknown->refuse(fmt::format("\"{}\" is not in the vocabulary", unknown->text()));
  }
  return options;
}

/// Hugging Face tokenizers count the ids of added tokens up from the model's last, whatever the file states.
TokenId counted_id(const std::string& content, TokenId stated, TokenId next, const std::string& source) {
  if (stated != next)
    log_warning(fmt::format("{}: added token {} has id {}, and {} is next: that one is taken, as in Hugging Face tokenizers", source,
                            in_quotes(content), stated, next));
  return next;
}

/// Ids of added tokens that the model's vocabulary has stay the model's, as in Hugging Face tokenizers.
void read_added_tokens(const JsonField& list, TokenizerParts& parts, const std::string& source) {
  auto next = static_cast<TokenId>(parts.vocabulary.num_pieces());
  for (const auto element : list.array()) {
    const JsonField item(element, list.place());
    AddedToken token{.content = std::string(item.at("content").text())};
    const TokenId stated = checked_id(item.at("id").integer(), token.content, list);
    const auto known = parts.vocabulary.find(token.content);
    token.id = known ? *known : counted_id(token.content, stated, next, source);
    if (!known && !parts.vocabulary.insert(token.content, token.id))
      list.refuse(fmt::format("id {} of \"{}\" belongs to another piece", token.id, token.content));
    next = std::max(next, token.id + 1);
    token.single_word = item.flag_or("single_word", false);
    token.lstrip = item.flag_or("lstrip", false);
    token.rstrip = item.flag_or("rstrip", false);
    token.normalized = item.flag_or("normalized", true);
    token.special = item.flag_or("special", false);
    parts.added_tokens.push_back(std::move(token));
  }
}

/// The same for those that only the config has, in the order of their ids.
void count_ids(std::vector<AddedToken>& tokens, const Vocabulary& vocabulary, const std::string& source) {
  std::sort(tokens.begin(), tokens.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  auto next = static_cast<TokenId>(vocabulary.size());
  for (auto& token : tokens)
    if (!vocabulary.find(token.content)) token.id = counted_id(token.content, token.id, next++, source);
}

void read_model(const JsonField& model, bool byte_level, TokenizerParts& parts) {
  const std::string type = model.text_or("type", "BPE");
  if (type != "BPE") model.refuse(fmt::format("type: found {}, wanted BPE", type));
  read_json_vocabulary(model.at("vocab"), parts.vocabulary);
  MergeTable merges = read_merges(model.at("merges"), parts.vocabulary);
  const CharBpe::Options options = read_model_options(model, parts.vocabulary);
  if (byte_level) parts.encoder = make_byte_encoder(parts.vocabulary, std::move(merges), options);
  else parts.encoder = std::make_unique<CharBpe>(parts.vocabulary, std::move(merges), options);
}

}  // namespace

std::unique_ptr<PipelineTokenizer> read_tokenizer_json(const NamedText& file, const TokenizerConfig& config) {
  simdjson::dom::parser parser;
  const JsonField root = parse_json_text(parser, file);
  TokenizerParts parts;
  PreTokenizers pretokenizers;
  if (const auto step = root.find("normalizer")) append_normalizers(*step, parts.normalizers);
  if (const auto step = root.find("pre_tokenizer")) append_pretokenizers(*step, pretokenizers);
  parts.pretokenizers = std::move(pretokenizers.steps);
  read_model(root.at("model"), pretokenizers.byte_level, parts);
  if (const auto list = root.find("added_tokens")) read_added_tokens(*list, parts, file.source);
  if (const auto step = root.find("decoder")) append_decoders(*step, parts.decoders);
  else parts.piece_separator.assign(1, ' ');
  if (const auto step = root.find("post_processor")) {
    Surrounding surrounding;
    append_surrounding(*step, parts.vocabulary, surrounding);
    parts.prefix = std::move(surrounding.prefix);
    parts.suffix = std::move(surrounding.suffix);
  }
  TokenizerConfig without_flags = config;
  without_flags.add_bos_token.reset();
  without_flags.add_eos_token.reset();
  count_ids(without_flags.added_tokens, parts.vocabulary, file.source);
  apply_config(parts, without_flags, file.source);
  return std::make_unique<PipelineTokenizer>(std::move(parts));
}

}  // namespace ingot::data
