#include <fmt/format.h>

#include <array>
#include <charconv>

#include "core/error.h"
#include "core/file.h"
#include "data/tokenizer/bpe_builder.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/tokenizer_files.h"

namespace ingot::data {
namespace {


int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/// The bytes of base64 text with its padding; nothing when it is not that. Source: RFC 4648 §4.
std::optional<std::string> decode_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes;
  uint32_t bits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const int digit = i + padding >= text.size() ? 0 : base64_digit(text[i]);
    if (digit < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if (i % 4 != 3) continue;
    for (const int shift : {16, 8, 0}) bytes.push_back(static_cast<char>(bits >> shift));
    bits = 0;
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

struct RankedToken {
  std::string bytes;
  TokenId rank;
};

std::optional<RankedToken> parse_line(std::string_view line) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  auto bytes = decode_base64(line.substr(0, space));
  TokenId rank = -1;
  const auto [end, error] = std::from_chars(line.data() + space + 1, line.data() + line.size(), rank);
  if (!bytes || error != std::errc() || end != line.data() + line.size() || rank < 0 || rank >= kMaxTokenId)
    return std::nullopt;
  return RankedToken{std::move(*bytes), rank};
}

std::string_view next_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Vocabulary read_ranks(std::string_view text, const std::string& source) {
  Vocabulary tokens;
  tokens.reserve(text.size() / 16, text.size() / 2);
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = next_line(text);
    if (line.empty()) continue;
    const auto token = parse_line(line);
    if (!token) throw DataError(fmt::format("{}: line {}: wanted base64, a space and an id", source, number));
    if (!tokens.insert(token->bytes, token->rank))
      throw DataError(fmt::format("{}: line {}: the token or its id {} comes twice", source, number, token->rank));
  }
  for (int byte = 0; byte < 256; ++byte) {
    const char one = static_cast<char>(byte);
    if (!tokens.find({&one, 1})) throw DataError(fmt::format("{}: no token for the byte {}", source, byte));
  }
  return tokens;
}

Vocabulary spell(const Vocabulary& raw) {
  Vocabulary spelled;
  spelled.reserve(static_cast<size_t>(raw.size()), static_cast<size_t>(raw.size()) * 8);
  std::string text;
  for (TokenId id = 0; id < raw.size(); ++id) {
    const auto piece = raw.piece(id);
    if (!piece) continue;
    text.clear();
    for (const char byte : *piece) append_byte_letter(text, static_cast<unsigned char>(byte));
    spelled.insert(text, id);
  }
  return spelled;
}

}  // namespace

bool is_tiktoken(std::string_view bytes) { return parse_line(next_line(bytes)).has_value(); }

std::unique_ptr<PipelineTokenizer> read_tiktoken(const NamedText& file, const TokenizerConfig& config) {
  Vocabulary tokens = read_ranks(file.text, file.source);
  TokenizerParts parts;
  parts.vocabulary = spell(tokens);
  const bool qwen = config.tokenizer_class == "QWenTokenizer";
  if (qwen) parts.normalizers = {nfc_normalizer(NfcVersion::kUnicode15)};
  parts.pretokenizers = {
      split_pretokenizer(TextPattern::regex(qwen ? kQwenPattern : kLlama3Pattern, file.source), {})};
  parts.decoders = {byte_level_decoder()};
  MergeTable merges = merges_of_pieces(
      tokens, [](TokenId id) { return static_cast<uint32_t>(id); }, [](std::string_view, size_t) { return true; });
  BpeOptions options;
  options.whole_words = true;
  parts.encoder = std::make_unique<ByteBpe>(std::move(tokens), std::move(merges), options);
  apply_config(parts, config, file.source);
  return std::make_unique<PipelineTokenizer>(std::move(parts));
}

}  // namespace ingot::data
