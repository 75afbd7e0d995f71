#include "data/tokenizer/sentencepiece_model.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/file.h"
#include "data/tokenizer/protobuf_reader.h"
#include "data/tokenizer/utf8.h"
#include "data/tokenizer/vocabulary.h"

namespace ingot::data {
namespace {


// Numbers of fields, from sentencepiece_model.proto.
enum ModelField : uint32_t { kPieces = 1, kTrainerSpec = 2, kNormalizerSpec = 3 };
enum PieceField : uint32_t { kText = 1, kScore = 2, kType = 3 };
enum TrainerField : uint32_t {
  kModelType = 3, kWhitespaceAsSuffix = 24, kByteFallback = 35, kUnkId = 40, kBosId = 41, kEosId = 42
};
enum NormalizerField : uint32_t {
  kCharsMap = 2, kAddDummyPrefix = 3, kRemoveExtraWhitespaces = 4, kEscapeWhitespaces = 5
};
constexpr uint64_t kBpe = 2;

/// One file while it is read.
class ModelFile {
 public:
  explicit ModelFile(const NamedText& file) : source_(file.source), bytes_(file.text) {}

  SentencePieceModel read() {
    ProtobufReader message(bytes_, source_);
    while (message.next()) {
      if (message.field() == kPieces) read_piece(message.message());
      else if (message.field() == kTrainerSpec) read_trainer(message.message());
      else if (message.field() == kNormalizerSpec) read_normalizer(message.message());
    }
    check();
    return std::move(model_);
  }

 private:
  void read_piece(ProtobufReader message) {
    SentencePieceModel::Piece piece;
    while (message.next()) {
      if (message.field() == kText) piece.text = message.bytes();
      else if (message.field() == kScore) piece.score = message.float32();
      else if (message.field() == kType) piece.type = type_of(message.varint());
    }
    std::string repaired;
    const bool valid = !piece.text.empty() && valid_utf8(piece.text, repaired).data() == piece.text.data();
    if (!valid) refuse("its text is empty or no UTF-8");
    if (std::isnan(piece.score)) refuse("its score is no number");
    model_.pieces.push_back(std::move(piece));
    if (model_.pieces.size() > static_cast<size_t>(kMaxTokenId)) refuse(fmt::format("more than {}", kMaxTokenId));
  }

  SentencePieceModel::Type type_of(uint64_t number) const {
    using Type = SentencePieceModel::Type;
    const auto type = static_cast<Type>(number <= 6 ? number : 0);
    if (number < 1 || number > 6 || type == Type::kUnused) refuse(fmt::format("its type {} is not supported", number));
    return type;
  }

  void read_trainer(ProtobufReader message) {
    while (message.next()) {
      switch (message.field()) {
        case kModelType: is_bpe_ = message.varint() == kBpe; break;
        case kWhitespaceAsSuffix: whitespace_as_suffix_ = message.varint() != 0; break;
        case kByteFallback: model_.byte_fallback = message.varint() != 0; break;
        case kUnkId: model_.unk_id = id_of(message.varint()); break;
        case kBosId: model_.bos_id = id_of(message.varint()); break;
        case kEosId: model_.eos_id = id_of(message.varint()); break;
        default: break;
      }
    }
  }

  void read_normalizer(ProtobufReader message) {
    while (message.next()) {
      switch (message.field()) {
        case kCharsMap: has_chars_map_ = !message.bytes().empty(); break;
        case kAddDummyPrefix: model_.add_dummy_prefix = message.varint() != 0; break;
        case kRemoveExtraWhitespaces: model_.remove_extra_whitespaces = message.varint() != 0; break;
        case kEscapeWhitespaces: model_.escape_whitespaces = message.varint() != 0; break;
        default: break;
      }
    }
  }

  /// An int32 stands sign-extended on the wire.
  static int32_t id_of(uint64_t varint) {
    const auto id = static_cast<int64_t>(varint);
    return id >= 0 && id < kMaxTokenId ? static_cast<int32_t>(id) : -1;
  }

  void check() const {
    const auto wanted = [this](bool holds, const char* what) {
      if (!holds) throw DataError(fmt::format("{}: {}", source_, what));
    };
    wanted(!model_.pieces.empty(), "not a SentencePiece model: it has no pieces");
    wanted(is_bpe_, "trainer_spec.model_type: wanted BPE");
    wanted(!whitespace_as_suffix_, "trainer_spec.treat_whitespace_as_suffix is not supported");
    wanted(!has_chars_map_, "normalizer_spec.precompiled_charsmap is not supported, wanted the identity normalizer");
  }

  [[noreturn]] void refuse(const std::string& message) const {
    throw DataError(fmt::format("{}: piece {}: {}", source_, model_.pieces.size(), message));
  }

  std::string source_;
  std::string_view bytes_;
  SentencePieceModel model_;
  bool is_bpe_ = false, whitespace_as_suffix_ = false, has_chars_map_ = false;
};

}  // namespace

SentencePieceModel read_sentencepiece_model(const NamedText& file) { return ModelFile(file).read(); }

}  // namespace ingot::data
