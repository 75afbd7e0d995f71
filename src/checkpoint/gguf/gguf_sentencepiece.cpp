#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "checkpoint/gguf/gguf_tokenizer.h"

namespace ingot::checkpoint {
namespace {

/// Writes fields in protobuf's wire format.
class ProtobufMessage {
 public:
  void varint(int field, uint64_t value) {
    put_varint(static_cast<uint64_t>(field) << 3);
    put_varint(value);
  }
  void float32(int field, float value) {
    put_varint(static_cast<uint64_t>(field) << 3 | 5);
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int i = 0; i < 4; ++i) bytes_ += static_cast<char>(bits >> (8 * i));
  }
  void text(int field, const std::string& value) {
    put_varint(static_cast<uint64_t>(field) << 3 | 2);
    put_varint(value.size());
    bytes_ += value;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void put_varint(uint64_t value) {
    for (; value >= 128; value >>= 7) bytes_ += static_cast<char>(value | 128);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

// Field numbers of sentencepiece_model.proto.
namespace model { enum { kPiece = 1, kTrainer = 2, kNormalizer = 3 }; }
namespace piece { enum { kText = 1, kScore = 2, kKind = 3 }; }
namespace trainer { enum { kModelType = 3, kVocabSize = 4, kByteFallback = 35, kUnknown = 40, kUnknownPiece = 45 }; }
namespace normalizer { enum { kName = 1, kAddDummyPrefix = 3, kRemoveExtraSpaces = 4, kEscapeSpaces = 5 }; }
constexpr uint64_t kBpe = 2;

std::string trainer_spec(const GgufVocabulary& vocabulary) {
  ProtobufMessage spec;
  spec.varint(trainer::kModelType, kBpe);
  spec.varint(trainer::kVocabSize, vocabulary.tokens.size());
  const bool has_bytes = std::count(vocabulary.kinds.begin(), vocabulary.kinds.end(), TokenKind::kByte) > 0;
  spec.varint(trainer::kByteFallback, has_bytes);
  const std::optional<int64_t> ids[]{vocabulary.unknown, vocabulary.bos, vocabulary.eos, vocabulary.padding};
  for (int i = 0; i < 4; ++i)  // the ids of unk, bos, eos, pad follow each other; an absent one is -1
    spec.varint(trainer::kUnknown + i, static_cast<uint64_t>(ids[i].value_or(-1)));
  for (int i = 0; i < 4; ++i)
    if (ids[i]) spec.text(trainer::kUnknownPiece + i, vocabulary.tokens[static_cast<size_t>(*ids[i])]);
  return spec.bytes();
}

std::string normalizer_spec(const GgufKeys& keys) {
  ProtobufMessage spec;
  spec.text(normalizer::kName, "identity");
  spec.varint(normalizer::kAddDummyPrefix, keys.find_flag("tokenizer.ggml.add_space_prefix").value_or(true));
  const auto remove_extra = keys.find_flag("tokenizer.ggml.remove_extra_whitespaces");
  spec.varint(normalizer::kRemoveExtraSpaces, remove_extra.value_or(false));
  spec.varint(normalizer::kEscapeSpaces, true);
  return spec.bytes();
}

}  // namespace

std::string sentencepiece_model(const GgufKeys& keys, const GgufVocabulary& vocabulary) {
  const auto& scores = keys.numbers("tokenizer.ggml.scores");
  if (scores.size() != vocabulary.tokens.size())
    keys.fail("tokenizer.ggml.scores", fmt::format("{} scores, wanted {}", scores.size(), vocabulary.tokens.size()));
  if (keys.contains("tokenizer.ggml.precompiled_charsmap"))
    keys.fail("tokenizer.ggml.precompiled_charsmap", "is there, wanted a vocabulary without text normalisation");
  const auto unknowns = std::count(vocabulary.kinds.begin(), vocabulary.kinds.end(), TokenKind::kUnknown);
  if (unknowns != 1) keys.fail("tokenizer.ggml.token_type", fmt::format("{} unknown tokens, wanted 1", unknowns));
  ProtobufMessage file;
  for (size_t id = 0; id < scores.size(); ++id) {
    ProtobufMessage entry;
    entry.text(piece::kText, vocabulary.tokens[id]);
    entry.float32(piece::kScore, static_cast<float>(scores[id]));
    entry.varint(piece::kKind, static_cast<uint64_t>(vocabulary.kinds[id]));
    file.text(model::kPiece, entry.bytes());
  }
  file.text(model::kTrainer, trainer_spec(vocabulary));
  file.text(model::kNormalizer, normalizer_spec(keys));
  return file.bytes();
}

}  // namespace ingot::checkpoint
