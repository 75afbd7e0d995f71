#include "data/tokenizer/token_decoder.h"

#include <fmt/format.h>

#include <charconv>

#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/utf8.h"

namespace ingot::data {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

/// The bytes as one text, or as many U+FFFD as there are bytes.
std::string text_of_bytes(const std::string& bytes) {
  std::string repaired;
  if (valid_utf8(bytes, repaired).data() == bytes.data()) return bytes;
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) text += kReplacement;
  return text;
}

std::string joined(const std::vector<std::string>& pieces) {
  std::string text;
  for (const auto& piece : pieces) text += piece;
  return text;
}

std::string stripped(std::string_view piece, std::string_view content, size_t start, size_t stop) {
  for (; start > 0 && piece.starts_with(content); --start) piece.remove_prefix(content.size());
  for (; stop > 0 && piece.ends_with(content); --stop) piece.remove_suffix(content.size());
  return std::string(piece);
}

}  // namespace

int byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  unsigned byte = 0;
  const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
  return error == std::errc() && end == piece.data() + 5 ? static_cast<int>(byte) : -1;
}

std::string piece_of_byte(unsigned char byte) { return fmt::format("<0x{:02X}>", byte); }

DecoderStep replace_decoder(TextPattern pattern, std::string content) {
  return [pattern = std::move(pattern), content = std::move(content)](std::vector<std::string>& pieces, size_t most_bytes) {
    for (auto& piece : pieces) piece = replace_matches(piece, pattern, content, most_bytes);
  };
}

DecoderStep byte_fallback_decoder() {
  return [](std::vector<std::string>& pieces, size_t) {
    std::vector<std::string> out;
    std::string bytes;
    const auto flush = [&] {
      if (!bytes.empty()) out.push_back(text_of_bytes(bytes));
      bytes.clear();
    };
    for (auto& piece : pieces) {
      const int byte = byte_of_piece(piece);
      if (byte >= 0) {
        bytes.push_back(static_cast<char>(byte));
      } else {
        flush();
        out.push_back(std::move(piece));
      }
    }
    flush();
    pieces = std::move(out);
  };
}

DecoderStep fuse_decoder() {
  return [](std::vector<std::string>& pieces, size_t) { pieces = {joined(pieces)}; };
}

DecoderStep strip_decoder(std::string content, size_t start, size_t stop) {
  return [content = std::move(content), start, stop](std::vector<std::string>& pieces, size_t) {
    for (auto& piece : pieces) piece = stripped(piece, content, start, stop);
  };
}

DecoderStep byte_level_decoder() {
  return [](std::vector<std::string>& pieces, size_t) {
    std::string bytes, repaired;
    for (const auto& piece : pieces) bytes += spelled_bytes(piece);
    pieces = {std::string(valid_utf8(bytes, repaired))};
  };
}

DecoderStep metaspace_decoder(std::string replacement, bool strip_first) {
  return [space = TextPattern::literal(replacement), strip_first](std::vector<std::string>& pieces, size_t most_bytes) {
    for (size_t i = 0; i < pieces.size(); ++i)
      pieces[i] = replace_matches(pieces[i], space, i == 0 && strip_first ? "" : " ", most_bytes);
  };
}

}  // namespace ingot::data
