#include <gtest/gtest.h>

#include "data/tokenizer_fixtures.h"

namespace ingot::data {
namespace {

using Ids = std::vector<TokenId>;
using Type = SentencePieceModel::Type;

/// Ids from 3: U+2581, a, b, ab, U+2581 a, bb, and the user-defined piece "uu".
ModelText small_model() {
  return {.pieces = {{"\u2581", -9, Type::kNormal},
                     {"a", -9, Type::kNormal},
                     {"b", -9, Type::kNormal},
                     {"ab", -2, Type::kNormal},
                     {"\u2581a", -3, Type::kNormal},
                     {"bb", -1, Type::kNormal},
                     {"uu", 0, Type::kUserDefined}}};
}

void add_bytes(ModelText& model) {
  for (int byte = 0; byte < 256; ++byte)
    model.pieces.push_back({piece_of_byte(static_cast<unsigned char>(byte)), 0, Type::kByte});
}

TEST(SentencePiece, MergesTheHighestScoreFirst) {
  const auto tokenizer = tokenizer_of_model(small_model().str());
  EXPECT_EQ(tokenizer->encode("ab"), (Ids{3, 6}));    // "ab" before U+2581 "a"
  EXPECT_EQ(tokenizer->encode("abb"), (Ids{7, 8}));   // "bb" first, then U+2581 "a"
  EXPECT_EQ(tokenizer->encode("bbb"), (Ids{3, 8, 5}));  // the left one of two equal pairs
  EXPECT_EQ(tokenizer->encode(""), (Ids{}));
}

TEST(SentencePiece, SpacesAreKeptOrCollapsed) {
  ModelText model = small_model();
  EXPECT_EQ(tokenizer_of_model(model.str())->encode(" a  b "), (Ids{3, 7, 3, 3, 5, 3}));
  model.remove_extra_whitespaces = true;
  EXPECT_EQ(tokenizer_of_model(model.str())->encode(" a  b "), (Ids{7, 3, 5}));
  EXPECT_EQ(tokenizer_of_model(model.str())->encode("   "), (Ids{}));
  model.add_dummy_prefix = false;
  EXPECT_EQ(tokenizer_of_model(model.str())->encode(" a"), (Ids{4}));
}

TEST(SentencePiece, UserDefinedPiecesNeverMerge) {
  EXPECT_EQ(tokenizer_of_model(small_model().str())->encode("auub"), (Ids{7, 9, 5}));
}

TEST(SentencePiece, UnknownCharactersFuseOrBecomeBytes) {
  ModelText model = small_model();
  EXPECT_EQ(tokenizer_of_model(model.str())->encode("xyb"), (Ids{3, 0, 5}));
  model.byte_fallback = true;
  add_bytes(model);
  EXPECT_EQ(tokenizer_of_model(model.str())->encode("xb"), (Ids{3, 10 + 'x', 5}));
}

TEST(SentencePiece, ControlPiecesInTextAreTokensUnlessReadAsText) {
  const auto tokenizer = tokenizer_of_model(small_model().str());
  EXPECT_EQ(tokenizer->encode("<s>a</s>"), (Ids{1, 7, 2}));
  EXPECT_EQ(tokenizer->encode_ordinary("<s>"), (Ids{3, 0}));
}

TEST(SentencePiece, LegacyPrefixesEveryTextBetweenSpecialTokens) {
  const std::string model = small_model().str();
  EXPECT_EQ(tokenizer_of_model(model, {.legacy = true})->encode("b<s>b"), (Ids{3, 5, 1, 3, 5}));
  EXPECT_EQ(tokenizer_of_model(model, {.legacy = false})->encode("b<s>b"), (Ids{3, 5, 1, 5}));
  EXPECT_EQ(tokenizer_of_model(model, {.legacy = false})->encode("<s>b"), (Ids{1, 5}));
}

TEST(SentencePiece, DecodeJoinsBytesAndDropsTheDummyPrefix) {
  ModelText model = small_model();
  add_bytes(model);
  const auto tokenizer = tokenizer_of_model(model.str());
  EXPECT_EQ(tokenizer->decode(Ids{7, 3, 6}, false), "a ab");
  EXPECT_EQ(tokenizer->decode(Ids{10 + 0xC3, 10 + 0xA9, 10 + 0xC3, 4}, false), "\u00E9\uFFFDa");
  EXPECT_EQ(tokenizer->decode(Ids{1, 7, 2}, false), "<s> a</s>");
  EXPECT_EQ(tokenizer->decode(Ids{1, 7, 2}, true), "a");
}

TEST(SentencePiece, ConfigAddsTokensAndNamesBosAndEos) {
  const TokenizerConfig config{.bos_token = "</s>",
                               .add_bos_token = true,
                               .added_tokens = {{.content = "<|im_end|>", .id = 20, .special = true}}};
  const auto tokenizer = tokenizer_of_model(small_model().str(), config);
  EXPECT_EQ(tokenizer->bos_id(), 2);
  EXPECT_EQ(tokenizer->vocab_size(), 21);
  EXPECT_EQ(tokenizer->token_id("<|im_end|>"), 20);
  EXPECT_EQ(tokenizer->encode_with_special_tokens("b<|im_end|>"), (Ids{2, 3, 5, 20}));
}

TEST(SentencePiece, BosStandsBeforeATextUnlessTheConfigSaysNo) {
  const std::string model = small_model().str();
  EXPECT_EQ(tokenizer_of_model(model)->encode_with_special_tokens("b"), (Ids{1, 3, 5}));
  EXPECT_EQ(tokenizer_of_model(model, {.add_bos_token = false})->encode_with_special_tokens("b"), (Ids{3, 5}));
  EXPECT_EQ(tokenizer_of_model(model, {.add_eos_token = true})->encode_with_special_tokens("b"), (Ids{1, 3, 5, 2}));
}

TEST(SentencePiece, OlderFilesAddAndNameSpecialTokens) {
  const TemporaryFolder folder;
  write_file(folder / "tokenizer.model", small_model().str());
  write_file(folder / "added_tokens.json", R"({"<pad>": 10, "<word>": 11})");
  write_file(folder / "special_tokens_map.json", R"({"pad_token": {"content": "<pad>"}, "additional_special_tokens": ["uu"]})");
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->vocab_size(), 12);
  EXPECT_EQ(tokenizer->encode("b<pad>"), (Ids{3, 5, 10}));
  EXPECT_EQ(tokenizer->decode(Ids{10, 11, 9, 5}, true), "<word>b");
  write_file(folder / "tokenizer_config.json", R"({"added_tokens_decoder": {"12": {"content": "<new>"}}})");
  EXPECT_EQ(load_tokenizer(folder.path())->token_id("<pad>"), std::nullopt);  // the newer list stands alone
}

}  // namespace
}  // namespace ingot::data
