#include <fmt/format.h>

#include <array>
#include <unordered_set>

#include "checkpoint/gguf/gguf_tokenizer.h"
#include "core/json.h"
#include "core/printable.h"

namespace ingot::checkpoint {
namespace {

/// How a family's own tokenizer.json cuts text before BPE.
struct PreTokenizer {
  const char* name;  // value of tokenizer.ggml.pre
  const char* normalizer;
  const char* cuts;  // pre-tokenizers before ByteLevel
  bool regex;        // ByteLevel cuts with GPT-2's pattern
  bool ignore_merges;
};

constexpr std::array kPreTokenizers{
    PreTokenizer{"smollm", "null", R"({"type":"Digits","individual_digits":true})", true, false},
    PreTokenizer{"qwen2", R"({"type":"NFC"})",
                 R"({"type":"Split","behavior":"Isolated","invert":false,"pattern":{"Regex":)"
                 R"("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|)"
                 R"( ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}})",
                 false, false},
    PreTokenizer{"llama-bpe", "null",
                 R"({"type":"Split","behavior":"Isolated","invert":false,"pattern":{"Regex":)"
                 R"("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|)"
                 R"( ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}})",
                 false, true}};

const PreTokenizer& find_pre_tokenizer(const GgufKeys& keys) {
  const std::string& name = keys.text("tokenizer.ggml.pre");
  std::string known;
  for (const auto& candidate : kPreTokenizers) {
    if (candidate.name == name) return candidate;
    known += (known.empty() ? "" : ", ") + std::string(candidate.name);
  }
  keys.fail("tokenizer.ggml.pre", fmt::format("{}, wanted one of {}", in_quotes(name), known));
}

Json byte_level(bool regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", regex}};
}

Json added_tokens(const GgufVocabulary& vocabulary) {
  Json added = Json::array();
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const TokenKind kind = vocabulary.kinds[id];
    if (kind != TokenKind::kControl && kind != TokenKind::kUserDefined) continue;
    added.push_back({{"id", id},
                     {"content", vocabulary.tokens[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", kind == TokenKind::kControl}});
  }
  return added;
}

/// Template parts that put bos before and eos after a text, as far as the vocabulary wants them.
Json post_processor(const GgufVocabulary& vocabulary) {
  const Json plain{{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}, {"use_regex", true}};
  if (!vocabulary.add_bos && !vocabulary.add_eos) return plain;
  Json special = Json::object();
  const auto marker = [&](int64_t id) {
    const std::string& token = vocabulary.tokens[static_cast<size_t>(id)];
    special[token] = {{"id", token}, {"ids", {id}}, {"tokens", {token}}};
    return token;
  };
  Json single = Json::array(), pair = Json::array();
  const auto add_text = [&](Json& parts, const char* name, int type) {
    const auto special_part = [&](int64_t id) {
      parts.push_back({{"SpecialToken", {{"id", marker(id)}, {"type_id", type}}}});
    };
    if (vocabulary.add_bos) special_part(*vocabulary.bos);
    parts.push_back({{"Sequence", {{"id", name}, {"type_id", type}}}});
    if (vocabulary.add_eos) special_part(*vocabulary.eos);
  };
  add_text(single, "A", 0);
  add_text(pair, "A", 0);
  add_text(pair, "B", 1);
  const Json parts{{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
  return {{"type", "Sequence"}, {"processors", {plain, parts}}};
}

/// Checks that each merge joins two tokens to a third.
void check_merges(const GgufKeys& keys, const std::vector<std::string>& merges, const GgufVocabulary& vocabulary) {
  const std::unordered_set<std::string> tokens(vocabulary.tokens.begin(), vocabulary.tokens.end());
  for (const auto& merge : merges) {
    const size_t space = merge.find(' ');
    const std::string left = merge.substr(0, space), right = space == std::string::npos ? "" : merge.substr(space + 1);
    if (!tokens.contains(left) || !tokens.contains(right) || !tokens.contains(left + right))
      keys.fail("tokenizer.ggml.merges", fmt::format("{} does not join two tokens to a third", in_quotes(merge)));
  }
}

Json bpe_model(const std::vector<std::string>& merges, const GgufVocabulary& vocabulary, bool ignore_merges) {
  Json::object_t vocab;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id)
    if (vocabulary.kinds[id] != TokenKind::kUnused)
      vocab.Json::object_t::Container::emplace_back(vocabulary.tokens[id], id);  // no search for doubles: read_ did it
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", ignore_merges},
          {"vocab", std::move(vocab)},
          {"merges", merges}};
}

}  // namespace

std::string tokenizer_json(const GgufKeys& keys, const GgufVocabulary& vocabulary) {
  const PreTokenizer& pre = find_pre_tokenizer(keys);
  const auto& merges = keys.texts("tokenizer.ggml.merges");
  check_merges(keys, merges, vocabulary);
  const Json cuts{{"type", "Sequence"}, {"pretokenizers", {Json::parse(pre.cuts), byte_level(pre.regex)}}};
  const Json document{{"version", "1.0"},
                      {"truncation", nullptr},
                      {"padding", nullptr},
                      {"added_tokens", added_tokens(vocabulary)},
                      {"normalizer", Json::parse(pre.normalizer)},
                      {"pre_tokenizer", cuts},
                      {"post_processor", post_processor(vocabulary)},
                      {"decoder", byte_level(true)},
                      {"model", bpe_model(merges, vocabulary, pre.ignore_merges)}};
  return document.dump(2);
}

}  // namespace ingot::checkpoint
