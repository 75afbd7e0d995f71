#include "data/tokenizer/tokenizer_json_steps.h"

#include <fmt/format.h>

#include "data/tokenizer/utf8.h"

namespace ingot::data {
namespace {

[[noreturn]] void refuse_type(const JsonField& step, std::string_view type) {
  step.refuse(fmt::format("type {} is not supported", type));
}

/// Calls `append` for every member of a Sequence.
template <class Append>
void visit_sequence(const JsonField& sequence, std::string_view name, const Append& append) {
  size_t index = 0;
  for (const auto member : sequence.at(name).array())
    append(JsonField(member, fmt::format("{}: {}[{}]", sequence.place(), name, index++)));
}

/// {"String": text}, {"Regex": expression}, or the text itself.
TextPattern read_pattern(const JsonField& pattern) {
  if (pattern.is_text()) return TextPattern::literal(std::string(pattern.text()));
  if (const auto text = pattern.find("String")) return TextPattern::literal(std::string(text->text()));
  return TextPattern::regex(std::string(pattern.at("Regex").text()), pattern.place());
}

SplitBehavior read_behavior(const JsonField& behavior) {
  const std::string_view name = behavior.text();
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  behavior.refuse(fmt::format("{} is not supported", name));
}

size_t read_count(const JsonField& count) {
  if (count.integer() < 0) count.refuse("wanted 0 or more");
  return static_cast<size_t>(count.integer());
}

std::string read_character(const JsonField& field) {
  const std::string_view text = field.text();
  if (text.empty() || utf8_length(text[0]) != text.size())
    field.refuse(fmt::format("found \"{}\", wanted one character", text));
  return std::string(text);
}

MetaspaceOptions read_metaspace(const JsonField& step) {
  MetaspaceOptions options;
  if (const auto replacement = step.find("replacement")) options.replacement = read_character(*replacement);
  const std::string old_spelling = step.flag_or("add_prefix_space", true) ? "always" : "never";
  const std::string scheme = step.text_or("prepend_scheme", old_spelling);
  if (scheme != "always" && scheme != "first" && scheme != "never")
    step.refuse(fmt::format("prepend_scheme: found {}, wanted always, first or never", scheme));
  options.prepend_always = scheme == "always";
  options.prepend_first = scheme == "first";
  options.split = step.flag_or("split", true);
  return options;
}

void append_byte_level(const JsonField& step, PreTokenizers& out) {
  if (out.byte_level) step.refuse("two ByteLevel pre-tokenizers");
  if (step.flag_or("add_prefix_space", true)) out.steps.push_back(prefix_space_pretokenizer());
  if (step.flag_or("use_regex", true))
    out.steps.push_back(split_pretokenizer(TextPattern::regex(kGpt2Pattern, step.place()), {}));
  out.byte_level = true;
}

}  // namespace

void append_normalizers(const JsonField& normalizer, std::vector<Normalizer>& steps) {
  const std::string_view type = normalizer.at("type").text();
  if (type == "Sequence")
    visit_sequence(normalizer, "normalizers", [&](const JsonField& step) { append_normalizers(step, steps); });
  else if (type == "NFC") steps.push_back(nfc_normalizer(NfcVersion::kUnicode9));
  else if (type == "NFD") steps.push_back(unicode_normalizer(UnicodeForm::kNfd));
  else if (type == "NFKC") steps.push_back(unicode_normalizer(UnicodeForm::kNfkc));
  else if (type == "NFKD") steps.push_back(unicode_normalizer(UnicodeForm::kNfkd));
  else if (type == "Prepend") steps.push_back(prepend_normalizer(std::string(normalizer.at("prepend").text())));
  else if (type == "Replace")
    steps.push_back(replace_normalizer(read_pattern(normalizer.at("pattern")),
                                       std::string(normalizer.at("content").text())));
  else refuse_type(normalizer, type);
}

void append_pretokenizers(const JsonField& pretokenizer, PreTokenizers& out) {
  const std::string_view type = pretokenizer.at("type").text();
  if (type == "Sequence")
    return visit_sequence(pretokenizer, "pretokenizers",
                          [&](const JsonField& step) { append_pretokenizers(step, out); });
  if (out.byte_level) pretokenizer.refuse("behind ByteLevel, which has to be the last pre-tokenizer");
  if (type == "ByteLevel") return append_byte_level(pretokenizer, out);
  if (type == "Metaspace") return out.steps.push_back(metaspace_pretokenizer(read_metaspace(pretokenizer)));
  if (type == "Digits") {
    const char* expression = pretokenizer.flag_or("individual_digits", false) ? "\\p{N}" : "\\p{N}+";
    return out.steps.push_back(split_pretokenizer(TextPattern::regex(expression, pretokenizer.place()), {}));
  }
  if (type == "Split")
    return out.steps.push_back(split_pretokenizer(
        read_pattern(pretokenizer.at("pattern")),
        {.behavior = read_behavior(pretokenizer.at("behavior")), .invert = pretokenizer.flag_or("invert", false)}));
  refuse_type(pretokenizer, type);
}

void append_decoders(const JsonField& decoder, std::vector<DecoderStep>& steps) {
  const std::string_view type = decoder.at("type").text();
  if (type == "Sequence")
    return visit_sequence(decoder, "decoders", [&](const JsonField& step) { append_decoders(step, steps); });
  if (type == "ByteLevel") return steps.push_back(byte_level_decoder());
  if (type == "ByteFallback") return steps.push_back(byte_fallback_decoder());
  if (type == "Fuse") return steps.push_back(fuse_decoder());
  if (type == "Replace")
    return steps.push_back(
        replace_decoder(read_pattern(decoder.at("pattern")), std::string(decoder.at("content").text())));
  if (type == "Strip")
    return steps.push_back(strip_decoder(read_character(decoder.at("content")), read_count(decoder.at("start")),
                                         read_count(decoder.at("stop"))));
  if (type == "Metaspace") {
    const MetaspaceOptions options = read_metaspace(decoder);
    return steps.push_back(
        metaspace_decoder(options.replacement, options.prepend_always || options.prepend_first));
  }
  refuse_type(decoder, type);
}

void append_surrounding(const JsonField& post_processor, const Vocabulary& vocabulary, Surrounding& out) {
  const std::string_view type = post_processor.at("type").text();
  if (type == "ByteLevel") return;  // changes offsets only
  if (type == "Sequence")
    return visit_sequence(post_processor, "processors",
                          [&](const JsonField& step) { append_surrounding(step, vocabulary, out); });
  if (type != "TemplateProcessing") refuse_type(post_processor, type);
  Surrounding added;
  bool behind_text = false;
  visit_sequence(post_processor, "single", [&](const JsonField& part) {
    const auto token = part.find("SpecialToken");
    if (!token) {
      behind_text = true;
      return;
    }
    const auto ids = post_processor.at("special_tokens").at(token->at("id").text()).at("ids");
    for (const auto element : ids.array()) {
      const int64_t id = JsonField(element, ids.place()).integer();
      if (id < 0 || id >= kMaxTokenId || !vocabulary.piece(static_cast<TokenId>(id)))
        ids.refuse(fmt::format("id {} is no token", id));
      (behind_text ? added.suffix : added.prefix).push_back(static_cast<TokenId>(id));
    }
  });
  out.prefix.insert(out.prefix.begin(), added.prefix.begin(), added.prefix.end());
  out.suffix.insert(out.suffix.end(), added.suffix.begin(), added.suffix.end());
}

}  // namespace ingot::data
