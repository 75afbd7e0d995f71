#include <fmt/format.h>

#include "core/error.h"
#include "data/tokenizer/bpe_builder.h"
#include "data/tokenizer/json_vocabulary.h"
#include "data/tokenizer/tokenizer_files.h"

namespace ingot::data {
namespace {

MergeTable read_merges(const NamedText& file, const Vocabulary& vocabulary) {
  const auto& [text, source] = file;
  MergeCollector collector(vocabulary, source, text.size() / 12);
  std::string_view left = text;
  while (!left.empty()) {
    const size_t end = std::min(left.find('\n'), left.size());
    std::string_view line = left.substr(0, end);
    const bool first = line.data() == text.data();
    left.remove_prefix(std::min(end + 1, left.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !(first && line.starts_with("#version"))) collector.add_line(line);
  }
  return collector.take();
}

}  // namespace

std::unique_ptr<PipelineTokenizer> read_vocab_and_merges(const NamedText& vocab, const NamedText& merges,
                                                         const TokenizerConfig& config) {
  simdjson::dom::parser parser;
  TokenizerParts parts;
  read_json_vocabulary(parse_json_text(parser, vocab), parts.vocabulary);
  const bool qwen2 = config.tokenizer_class.starts_with("Qwen2Tokenizer");
  if (qwen2) parts.normalizers = {nfc_normalizer(NfcVersion::kUnicode9)};
  parts.pretokenizers = {
      split_pretokenizer(TextPattern::regex(qwen2 ? kQwenPattern : kGpt2Pattern, vocab.source), {})};
  parts.decoders = {byte_level_decoder()};
  parts.encoder = make_byte_encoder(parts.vocabulary, read_merges(merges, parts.vocabulary), {});
  apply_config(parts, config, vocab.source);
  return std::make_unique<PipelineTokenizer>(std::move(parts));
}

}  // namespace ingot::data
