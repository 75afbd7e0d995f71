#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/tokenizer/text_pattern.h"

namespace ingot::data {

/// One step from the pieces of ids to text: rewrites the list, which is joined behind the last step. No piece of it may
/// become longer than `most_bytes`.
using DecoderStep = std::function<void(std::vector<std::string>& pieces, size_t most_bytes)>;

/// Puts `content` in the place of every match, piece by piece.
DecoderStep replace_decoder(TextPattern pattern, std::string content);

/// Joins runs of "<0xNN>" pieces to the text that the bytes are; every byte of a run that is no UTF-8 is one U+FFFD.
DecoderStep byte_fallback_decoder();

/// Joins all to one piece.
DecoderStep fuse_decoder();

/// Takes up to `start` and `stop` times the character `content` off the ends of every piece.
DecoderStep strip_decoder(std::string content, size_t start, size_t stop);

/// Joins the bytes that byte-level pieces spell; what is no UTF-8 becomes U+FFFD.
DecoderStep byte_level_decoder();

/// Writes `replacement` as a space; one at the very start is left out when `strip_first`.
DecoderStep metaspace_decoder(std::string replacement, bool strip_first);

/// The byte that a piece "<0xNN>" stands for, or -1.
int byte_of_piece(std::string_view piece);

/// "<0xNN>", as SentencePiece spells a byte.
std::string piece_of_byte(unsigned char byte);

}  // namespace ingot::data
