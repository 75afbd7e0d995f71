#pragma once

#include <zstd.h>

#include <bit>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "data/tokenizer/sentencepiece_model.h"
#include "data/tokenizer/tokenizer_files.h"
#include "places.h"
#include "temporary_folder.h"

namespace ingot::data {

inline const std::filesystem::path kSharedFolder = shared_folder();

/// The bytes of a .zst file.
inline std::string read_zstd(const std::filesystem::path& file) {
  const std::string packed = read_file(file);
  std::string text(ZSTD_getFrameContentSize(packed.data(), packed.size()), '\0');
  text.resize(ZSTD_decompress(text.data(), text.size(), packed.data(), packed.size()));
  return text;
}

/// One real family's files of the kinds named, unpacked into a folder of the test.
inline void copy_family(const std::string& family, const std::vector<std::string>& names, const TemporaryFolder& to) {
  const auto from = kSharedFolder / "tokenizers" / family;
  for (const auto& name : names) {
    if (std::filesystem::exists(from / name)) ingot::copy_file(from / name, to / name);
    else if (std::filesystem::exists(from / (name + ".zst"))) write_file(to / name, read_zstd(from / (name + ".zst")));
  }
}

/// A protobuf message put together field by field.
class ProtobufText {
 public:
  ProtobufText& varint(uint32_t field, uint64_t value) {
    append_varint(field << 3);
    append_varint(value);
    return *this;
  }
  ProtobufText& bytes(uint32_t field, const std::string& value) {
    append_varint(field << 3 | 2);
    append_varint(value.size());
    bytes_ += value;
    return *this;
  }
  ProtobufText& float32(uint32_t field, float value) {
    append_varint(field << 3 | 5);
    for (uint32_t bits = std::bit_cast<uint32_t>(value), i = 0; i < 4; ++i) bytes_.push_back(char(bits >> (8 * i)));
    return *this;
  }
  const std::string& str() const { return bytes_; }

 private:
  void append_varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(char(value | 0x80));
    bytes_.push_back(char(value));
  }
  std::string bytes_;
};

/// What a hand-made SentencePiece model holds behind <unk>, <s> and </s>.
struct ModelText {
  using Type = SentencePieceModel::Type;
  std::vector<SentencePieceModel::Piece> pieces;
  bool byte_fallback = false, add_dummy_prefix = true, remove_extra_whitespaces = false;
  uint64_t model_type = 2;

  std::string str() const {
    ProtobufText model;
    std::vector<SentencePieceModel::Piece> all = {
        {"<unk>", 0, Type::kUnknown}, {"<s>", 0, Type::kControl}, {"</s>", 0, Type::kControl}};
    all.insert(all.end(), pieces.begin(), pieces.end());
    for (const auto& piece : all)
      model.bytes(1, ProtobufText()
                         .bytes(1, piece.text)
                         .float32(2, piece.score)
                         .varint(3, static_cast<uint64_t>(piece.type))
                         .str());
    model.bytes(2, ProtobufText().varint(3, model_type).varint(35, byte_fallback).str());
    model.bytes(3, ProtobufText().varint(3, add_dummy_prefix).varint(4, remove_extra_whitespaces).str());
    return model.str();
  }
};

/// A tokenizer read from the given text of one file.
inline std::unique_ptr<PipelineTokenizer> tokenizer_of_json(const std::string& text,
                                                            const TokenizerConfig& config = {}) {
  return read_tokenizer_json({text, "tokenizer.json"}, config);
}

inline std::unique_ptr<PipelineTokenizer> tokenizer_of_model(const std::string& bytes,
                                                             const TokenizerConfig& config = {}) {
  return read_sentencepiece({bytes, "tokenizer.model"}, config);
}

/// The message of the Error that the call throws, or "" when it throws none.
template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace ingot::data
