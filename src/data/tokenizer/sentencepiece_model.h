#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/folder_files.h"

namespace ingot::data {

/// What Ingot reads of a SentencePiece ModelProto; the defaults are those of sentencepiece_model.proto.
struct SentencePieceModel {
  enum class Type { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
  struct Piece {
    std::string text;
    float score = 0;
    Type type = Type::kNormal;
  };
  std::vector<Piece> pieces;  // by id
  bool byte_fallback = false;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  int32_t unk_id = 0, bos_id = 1, eos_id = 2;  // -1 for none
};

/// Reads a .model file. Throws DataError naming it when it is damaged, not of type BPE or normalizes text in a way
/// other than "identity".
SentencePieceModel read_sentencepiece_model(const NamedText& file);

}  // namespace ingot::data
