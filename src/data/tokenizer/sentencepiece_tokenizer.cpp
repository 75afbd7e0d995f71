#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "core/error.h"
#include "data/tokenizer/bpe_builder.h"
#include "data/tokenizer/class_tokens.h"
#include "data/tokenizer/prefix_tree.h"
#include "data/tokenizer/sentencepiece_model.h"
#include "data/tokenizer/tokenizer_files.h"
#include "data/tokenizer/utf8.h"

namespace ingot::data {
namespace {

using Type = SentencePieceModel::Type;
constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581

/// User-defined pieces, longest first from left to right, then BPE on what is left between them.
class SentencePieceEncoder : public WordEncoder {
 public:
  SentencePieceEncoder(PrefixTree user_defined, CharBpe bpe)
      : user_defined_(std::move(user_defined)), bpe_(std::move(bpe)) {}

  void encode(std::string_view word, std::vector<TokenId>& ids) const override {
    size_t done = 0;
    while (const auto match = user_defined_.find(word, done)) {
      if (match->begin > done) bpe_.encode(word.substr(done, match->begin - done), ids);
      ids.push_back(match->value);
      done = match->begin + match->length;
    }
    if (done < word.size()) bpe_.encode(word.substr(done), ids);
  }

 private:
  PrefixTree user_defined_;
  CharBpe bpe_;
};

void collapse_spaces(std::string& text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out.push_back(c);
  if (out.ends_with(' ')) out.pop_back();
  text = std::move(out);
}

/// Source: sentencepiece normalizer.cc for an empty character map. With `legacy` every text between special tokens
/// gets the dummy prefix, else only one that opens the whole text.
Normalizer sentencepiece_normalizer(const SentencePieceModel& model, bool legacy) {
  return [=, remove_extra = model.remove_extra_whitespaces, dummy_prefix = model.add_dummy_prefix,
          escape = model.escape_whitespaces](std::string& text, PieceOfText piece) {
    if (remove_extra) collapse_spaces(text);
    if (text.empty()) return;
    if (dummy_prefix && (legacy || piece.at_start)) text.insert(0, 1, ' ');
    if (escape) text = replace_matches(text, TextPattern::literal(" "), std::string(kSpace), piece.most_bytes);
  };
}

/// The characters that bytes spell, with U+FFFD for each byte of what is none.
std::string text_of_byte_run(std::string_view bytes) {
  std::string text, repaired;
  while (!bytes.empty()) {
    const size_t length = utf8_length(bytes[0]);
    const std::string_view character = bytes.substr(0, length);
    const bool whole = character.size() == length && valid_utf8(character, repaired).data() == character.data();
    text += whole ? character : std::string_view("\xEF\xBF\xBD");
    bytes.remove_prefix(whole ? length : 1);
  }
  return text;
}

/// Which spaces at the start of a decoded text go: one with `strip_first`, all of them with `strip_all` besides.
struct SpaceRule {
  bool strip_first, strip_all;
};

/// Joins pieces to text. Source: SentencePieceProcessor::Decode. Behind a piece of `breaks` a new text starts, as
/// ChatGLM3's tokenizer decodes what stands between its special tokens.
DecoderStep sentencepiece_decoder(SpaceRule rule, std::unordered_set<std::string> breaks) {
  return [rule, breaks = std::move(breaks),
          space = TextPattern::literal(std::string(kSpace))](std::vector<std::string>& pieces, size_t most_bytes) {
    std::string text, bytes;
    size_t start = 0;
    bool first_gone = !rule.strip_first;
    const auto flush = [&] {
      text += text_of_byte_run(bytes);
      bytes.clear();
    };
    for (std::string& piece : pieces) {
      const int byte = byte_of_piece(piece);
      if (byte >= 0) {
        bytes.push_back(static_cast<char>(byte));
        continue;
      }
      flush();
      if (text.size() == start && !first_gone && piece.starts_with(kSpace)) {
        piece.erase(0, kSpace.size());
        first_gone = !rule.strip_all;
      }
      text += replace_matches(piece, space, " ", most_bytes);
      if (breaks.contains(piece)) {
        start = text.size();
        first_gone = !rule.strip_first;
      }
    }
    flush();
    pieces = {std::move(text)};
  };
}

/// Rank of every normal piece: 0 for the highest score, equal for equal scores.
std::vector<uint32_t> ranks_of(const SentencePieceModel& model) {
  std::vector<float> scores;
  for (const auto& piece : model.pieces)
    if (piece.type == Type::kNormal) scores.push_back(piece.score);
  std::sort(scores.begin(), scores.end(), std::greater<>{});
  scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
  std::vector<uint32_t> ranks;
  for (const auto& piece : model.pieces) {
    const auto place = std::lower_bound(scores.begin(), scores.end(), piece.score, std::greater<>{});
    ranks.push_back(piece.type == Type::kNormal ? static_cast<uint32_t>(place - scores.begin()) : Merge::kNone);
  }
  return ranks;
}

CharBpe make_bpe(const SentencePieceModel& model, const Vocabulary& normal_pieces) {
  const auto ranks = ranks_of(model);
  MergeTable merges = merges_of_pieces(
      normal_pieces, [&](TokenId id) { return ranks[static_cast<size_t>(id)]; },
      [](std::string_view piece, size_t at) { return !is_utf8_tail(piece[at]); });
  CharBpe::Options options;
  options.fuse_unknown = true;
  options.byte_fallback = model.byte_fallback;
  if (model.unk_id >= 0) options.unknown = model.unk_id;
  return CharBpe(normal_pieces, std::move(merges), options);
}

}  // namespace

std::unique_ptr<PipelineTokenizer> read_sentencepiece(const NamedText& file, const TokenizerConfig& config) {
  const SentencePieceModel model = read_sentencepiece_model(file);
  TokenizerParts parts;
  Vocabulary normal_pieces;  // and byte pieces
  PrefixTree user_defined;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const auto& [text, score, type] = model.pieces[i];
    const auto id = static_cast<TokenId>(i);
    if (!parts.vocabulary.insert(text, id))
      throw DataError(fmt::format("{}: piece \"{}\" comes twice", file.source, text));
    if (type == Type::kNormal || type == Type::kByte) normal_pieces.insert(text, id);
    else if (type == Type::kUserDefined) user_defined.insert(text, id);
    else parts.added_tokens.push_back({.content = text, .id = id, .special = true});
  }
  parts.encoder = std::make_unique<SentencePieceEncoder>(std::move(user_defined), make_bpe(model, normal_pieces));
  parts.normalizers = {sentencepiece_normalizer(model, config.legacy)};
  const ClassTokens& known = tokens_of_class(config.tokenizer_class);
  std::unordered_set<std::string> breaks;
  for (const AddedToken& token : known.appended) breaks.insert(token.content);
  parts.decoders = {sentencepiece_decoder({.strip_first = model.add_dummy_prefix || model.remove_extra_whitespaces,
                                           .strip_all = model.remove_extra_whitespaces},
                                          std::move(breaks))};
  if (parts.vocabulary.piece(model.bos_id)) parts.bos = model.bos_id;
  if (parts.vocabulary.piece(model.eos_id)) parts.eos = model.eos_id;
  if (parts.bos && known.prefix.empty()) parts.prefix = {*parts.bos};  // what LlamaTokenizer does unless told otherwise
  apply_config(parts, config, file.source);
  return std::make_unique<PipelineTokenizer>(std::move(parts));
}

}  // namespace ingot::data
