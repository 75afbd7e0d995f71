#include <gtest/gtest.h>

#include <fmt/format.h>

#include <array>
#include <thread>

#include "core/json.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer_fixtures.h"

namespace ingot::data {
namespace {

using Ids = std::vector<TokenId>;

/// A byte-level tokenizer.json with all bytes as ids 0..255 and "ab", "abc" behind them.
Json byte_level_json() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    std::string letter;
    append_byte_letter(letter, static_cast<unsigned char>(byte));
    vocab[letter] = byte;
  }
  vocab["ab"] = 256;
  vocab["abc"] = 257;
  return {{"added_tokens", Json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
          {"post_processor", nullptr},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"a b", "ab c"}}}}};
}

/// A character-level one with the pieces named and byte pieces when `bytes`.
Json char_level_json(const std::vector<std::string>& pieces, bool bytes) {
  Json vocab = {{"<unk>", 0}};
  for (const auto& piece : pieces) vocab[piece] = vocab.size();
  for (int byte = 0; bytes && byte < 256; ++byte) vocab[fmt::format("<0x{:02X}>", byte)] = vocab.size();
  return {{"added_tokens", Json::array()},
          {"model",
           {{"type", "BPE"}, {"unk_token", "<unk>"}, {"fuse_unk", true}, {"byte_fallback", bytes}, {"vocab", vocab},
            {"merges", Json::array()}}}};
}

Json added(const std::string& content, int id, const Json& flags = Json::object()) {
  Json token = {{"id", id},         {"content", content}, {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", true}};
  token.update(flags);
  return token;
}

TEST(TokenizerJson, MergesGivenAsPairsEqualMergesGivenAsText) {
  Json json = byte_level_json();
  const auto as_text = tokenizer_of_json(json.dump());
  json["model"]["merges"] = Json::parse(R"([["a", "b"], ["ab", "c"]])");
  const auto as_pairs = tokenizer_of_json(json.dump());
  EXPECT_EQ(as_text->encode("abcab c"), (Ids{257, 256, ' ', 'c'}));
  EXPECT_EQ(as_pairs->encode("abcab c"), as_text->encode("abcab c"));
}

TEST(TokenizerJson, DigitsBeforeByteLevelStandAlone) {
  Json json = byte_level_json();
  json["model"]["vocab"]["12"] = 258;
  json["model"]["merges"].push_back("1 2");
  EXPECT_EQ(tokenizer_of_json(json.dump())->encode("a12"), (Ids{'a', 258}));
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {digits, json["pre_tokenizer"]}}};
  EXPECT_EQ(tokenizer_of_json(json.dump())->encode("a12"), (Ids{'a', '1', '2'}));
}

TEST(TokenizerJson, ByteLevelPrefixSpaceComesOnce) {
  Json json = byte_level_json();
  json["pre_tokenizer"]["add_prefix_space"] = true;
  const auto tokenizer = tokenizer_of_json(json.dump());
  EXPECT_EQ(tokenizer->encode("ab"), (Ids{' ', 256}));
  EXPECT_EQ(tokenizer->encode(" ab"), (Ids{' ', 256}));
}

TEST(TokenizerJson, IgnoreMergesTakesAWholeWord) {
  Json json = byte_level_json();
  json["model"]["vocab"]["xyz"] = 258;
  EXPECT_EQ(tokenizer_of_json(json.dump())->encode("xyz"), (Ids{'x', 'y', 'z'}));
  json["model"]["ignore_merges"] = true;
  EXPECT_EQ(tokenizer_of_json(json.dump())->encode("xyz"), (Ids{258}));
}

TEST(TokenizerJson, AddedTokensStripAndRespectWords) {
  Json json = byte_level_json();
  json["added_tokens"] = Json::array({added("<l>", 258, {{"lstrip", true}}), added("<r>", 259, {{"rstrip", true}}),
                          added("wo", 260, {{"single_word", true}})});
  const auto tokenizer = tokenizer_of_json(json.dump());
  EXPECT_EQ(tokenizer->encode("a \n<l> b"), (Ids{'a', 258, ' ', 'b'}));
  EXPECT_EQ(tokenizer->encode("a <r> \u3000b"), (Ids{'a', ' ', 259, 'b'}));
  EXPECT_EQ(tokenizer->encode("wo"), (Ids{260}));
  EXPECT_EQ(tokenizer->encode("two"), (Ids{'t', 'w', 'o'}));
  EXPECT_EQ(tokenizer->encode("woe"), (Ids{'w', 'o', 'e'}));
}

TEST(TokenizerJson, LongestAddedTokenWins) {
  Json json = byte_level_json();
  json["added_tokens"] = Json::array({added("<a", 258), added("<a>", 259), added("<a>>x", 260)});
  EXPECT_EQ(tokenizer_of_json(json.dump())->encode("<a>><a<a>>x"), (Ids{259, '>', 258, 260}));
}

TEST(TokenizerJson, NormalizedAddedTokensAreFoundBehindTheNormalizer) {
  Json json = byte_level_json();
  json["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", "Q"}}}, {"content", "<t>"}};
  json["added_tokens"] = Json::array({added("<t>", 258, {{"normalized", true}})});
  EXPECT_EQ(tokenizer_of_json(json.dump())->encode("aQb"), (Ids{'a', 258, 'b'}));
  json["added_tokens"] = Json::array({added("<t>", 258)});
  EXPECT_EQ(tokenizer_of_json(json.dump())->encode("aQ"), (Ids{'a', '<', 't', '>'}));
}

TEST(TokenizerJson, OrdinaryEncodingReadsSpecialTokensAsText) {
  Json json = byte_level_json();
  json["added_tokens"] = Json::array({added("<s>", 258), added("<x>", 259, {{"special", false}})});
  const auto tokenizer = tokenizer_of_json(json.dump());
  EXPECT_EQ(tokenizer->encode("<s><x>"), (Ids{258, 259}));
  EXPECT_EQ(tokenizer->encode_ordinary("<s><x>"), (Ids{'<', 's', '>', 259}));
}

/// Source: transformers 5, tokenization_utils_base.py, _from_pretrained.
TEST(TokenizerJson, TemplatePutsTokensAroundWhateverTheConfigSays) {
  Json json = byte_level_json();
  json["added_tokens"] = Json::array({added("<s>", 258), added("</s>", 259)});
  json["post_processor"] = Json::parse(R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},
      {"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"id":"<s>","ids":[258],"tokens":["<s>"]}}})");
  EXPECT_EQ(tokenizer_of_json(json.dump())->encode_with_special_tokens("x"), (Ids{258, 'x'}));
  const TokenizerConfig config{.eos_token = "</s>", .add_bos_token = false, .add_eos_token = true};
  EXPECT_EQ(tokenizer_of_json(json.dump(), config)->encode_with_special_tokens("x"), (Ids{258, 'x'}));
}

TEST(TokenizerJson, DecodeLeavesSpecialTokensOutWhenAsked) {
  Json json = byte_level_json();
  json["model"]["vocab"]["zz"] = 270;
  json["added_tokens"] = Json::array({added("<s>", 259), added("a b", 260, {{"special", false}})});
  const auto tokenizer = tokenizer_of_json(json.dump());
  EXPECT_EQ(tokenizer->decode(Ids{259, 'x', ' ', 260}, false), "<s>x a b");
  EXPECT_EQ(tokenizer->decode(Ids{259, 'x', ' ', 260}, true), "x a b");
  EXPECT_EQ(tokenizer->decode(Ids{0xE4, 0xBD, 'x'}, false), "\uFFFDx");
  EXPECT_EQ(tokenizer->decode(Ids{265, 'x'}, false), "x");  // an id in a gap
  EXPECT_THROW(tokenizer->decode(Ids{271}, false), DataError);
  EXPECT_THROW(tokenizer->decode(Ids{-1}, false), DataError);
}

TEST(TokenizerJson, AddedTokensAreCountedUpFromTheModelsLast) {
  Json json = byte_level_json();
  json["added_tokens"] = Json::array({added("<y>", 301), added("<x>", 300), added("abc", 7)});
  TokenizerConfig config;
  config.added_tokens = {{.content = "<q>", .id = 900}, {.content = "<p>", .id = 800}, {.content = "<x>", .id = 300}};
  testing::internal::CaptureStderr();
  const auto tokenizer = tokenizer_of_json(json.dump(), config);
  const auto said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(tokenizer->encode("<x><y>abc<p><q>"), (Ids{259, 258, 257, 260, 261}));  // as tokenizers 0.23 gives them
  EXPECT_NE(said.find("added token \"<y>\" has id 301, and 258 is next"), std::string::npos) << said;
  json["added_tokens"] = Json::array({added("<x>", 258)});
  testing::internal::CaptureStderr();
  tokenizer_of_json(json.dump());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(TokenizerJson, MergesLeftOutAtRandomAreRefused) {
  Json json = byte_level_json();
  for (const Json& none : {Json(0), Json(0.0), Json()}) {
    json["model"]["dropout"] = none;
    EXPECT_EQ(tokenizer_of_json(json.dump())->encode("abc"), (Ids{257}));
  }
  json["model"]["dropout"] = 0.1;
  EXPECT_THROW(tokenizer_of_json(json.dump()), DataError);
}

TEST(TokenizerJson, MetaspaceSchemesDifferBehindASpecialToken) {
  Json json = char_level_json({"\u2581", "a", "b"}, true);
  json["added_tokens"] = Json::array({added("<s>", 260)});
  const auto ids_with = [&](const Json& metaspace) {
    json["pre_tokenizer"] = metaspace;
    return tokenizer_of_json(json.dump())->encode("a<s>b");
  };
  const Ids everywhere = {1, 2, 260, 1, 3}, first = {1, 2, 260, 3}, nowhere = {2, 260, 3};
  EXPECT_EQ(ids_with({{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "always"}}), everywhere);
  EXPECT_EQ(ids_with({{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "first"}}), first);
  EXPECT_EQ(ids_with({{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "never"}}), nowhere);
  EXPECT_EQ(ids_with({{"type", "Metaspace"}, {"replacement", "\u2581"}, {"add_prefix_space", true}}), everywhere);
  EXPECT_EQ(ids_with({{"type", "Metaspace"}, {"replacement", "\u2581"}, {"add_prefix_space", false}}), nowhere);
}

TEST(TokenizerJson, UnknownCharactersFuseOrFallBackToBytes) {
  EXPECT_EQ(tokenizer_of_json(char_level_json({"a"}, false).dump())->encode("xa\u4F60y"), (Ids{0, 1, 0}));
  Json json = char_level_json({"a"}, false);
  json["model"]["fuse_unk"] = false;
  EXPECT_EQ(tokenizer_of_json(json.dump())->encode("xa\u4F60y"), (Ids{0, 1, 0, 0}));
  EXPECT_EQ(tokenizer_of_json(char_level_json({"a"}, true).dump())->encode("a\u00E9"), (Ids{1, 2 + 0xC3, 2 + 0xA9}));
}

TEST(TokenizerJson, InvalidUtf8IsReadAsReplacementCharacters) {
  const auto tokenizer = tokenizer_of_json(byte_level_json().dump());
  const std::string text = "a\xFF\xE4\xBD\xC3(\xF0\x9F\x98";
  EXPECT_EQ(tokenizer->encode(text), tokenizer->encode("a\uFFFD\uFFFD\uFFFD(\uFFFD"));
}

TEST(TokenizerJson, ThreadsGetTheSameIds) {
  const auto first = tokenizer_of_json(byte_level_json().dump());
  const auto second = tokenizer_of_json(char_level_json({"a"}, true).dump());
  std::string text;
  for (int i = 0; i < 2000; ++i) text += fmt::format("abc{} ab", i);
  const Ids wanted_first = first->encode(text), wanted_second = second->encode(text);
  std::array<int, 4> equal{};
  std::vector<std::thread> threads;
  for (int& count : equal)
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i)
        count += first->encode(text) == wanted_first && second->encode(text) == wanted_second;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(equal, (std::array<int, 4>{10, 10, 10, 10}));
}

TEST(TokenizerJson, LongTextsWithoutABreakStayQuick) {
  const auto tokenizer = tokenizer_of_json(byte_level_json().dump());
  for (const char* unit : {"abc", " ", "!", "\u4F60", "1", "\n"}) {
    std::string text;
    while (text.size() < (size_t{4} << 20)) text += unit;
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text), false), text);
  }
}

}  // namespace
}  // namespace ingot::data
