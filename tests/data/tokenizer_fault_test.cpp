#include <fmt/format.h>
#include <gtest/gtest.h>

#include "data/tokenizer_fixtures.h"

namespace ingot::data {
namespace {

using Type = SentencePieceModel::Type;

std::string json_with(const std::string& vocab, const std::string& merges, const std::string& rest = "") {
  return R"({"model":{"type":"BPE","vocab":)" + vocab + R"(,"merges":)" + merges + "}" + rest + "}";
}

std::string json_error(const std::string& text) {
  return error_of([&] { tokenizer_of_json(text); });
}

std::string base64_of_byte(int byte) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return {kDigits[static_cast<size_t>(byte) >> 2], kDigits[static_cast<size_t>(byte & 3) << 4], '=', '='};
}

void expect_names(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << "message: " << message;
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(TokenizerFaults, MergeOfAnUnknownPieceIsNamed) {
  expect_names(json_error(json_with(R"({"a":0,"ab":1})", R"(["a b"])")), "merge 0 names \"b\"");
  expect_names(json_error(json_with(R"({"a":0,"b":1})", R"(["a b"])")), "merge 0 names \"ab\"");
  expect_names(json_error(json_with(R"({"a":0})", R"(["a"])")), "two pieces");
  expect_names(json_error(json_with(R"({"a":0})", R"([["a"]])")), "not two pieces");
  expect_names(json_error(json_with(R"({"a":0})", R"([7])")), "merges");
}

TEST(TokenizerFaults, IdsThatCannotBeAreNamed) {
  expect_names(json_error(json_with(R"({"a":-1})", "[]")), "found -1");
  expect_names(json_error(json_with(R"({"a":2147483647})", "[]")), "found 2147483647");
  expect_names(json_error(json_with(R"({"a":1.5})", "[]")), "no integer");
  expect_names(json_error(json_with(R"({"a":0,"b":0})", "[]")), "comes twice");
  expect_names(json_error(json_with(R"({"a":0,"a":1})", "[]")), "comes twice");
  expect_names(json_error(json_with(R"({"a":1})", "[]", R"(,"added_tokens":[{"id":0,"content":"x"}])")), "belongs");
}

TEST(TokenizerFaults, BadJsonIsRefused) {
  expect_names(json_error(""), "not valid JSON");
  expect_names(json_error("{\"model\":"), "not valid JSON");
  expect_names(json_error("[]"), "wanted an object");
  expect_names(json_error("{}"), "model is missing");
  expect_names(json_error(std::string(100'000, '[') + std::string(100'000, ']')), "not valid JSON");
  expect_names(json_error(R"({"model":{"vocab":[],"merges":[]}})"), "wanted an object");
}

TEST(TokenizerFaults, KindsNotKnownAreNamed) {
  const auto error_with = [](const std::string& rest) { return json_error(json_with(R"({"a":0})", "[]", rest)); };
  expect_names(error_with(R"(,"normalizer":{"type":"Lowercase"})"), "normalizer: type Lowercase");
  expect_names(error_with(R"(,"pre_tokenizer":{"type":"BertPreTokenizer"})"), "BertPreTokenizer");
  expect_names(error_with(R"(,"decoder":{"type":"CTC"})"), "CTC");
  expect_names(error_with(R"(,"post_processor":{"type":"BertProcessing"})"), "BertProcessing");
  expect_names(json_error(R"({"model":{"type":"Unigram","vocab":{},"merges":[]}})"), "found Unigram");
  const std::string split = R"(,"pre_tokenizer":{"type":"Split","behavior":"Isolated","pattern":{"Regex":)";
  expect_names(error_with(split + R"("a("}})"), "regular expression");
  expect_names(error_with(split + R"("\\bx"}})"), "\\b is not supported");
  expect_names(error_with(split + R"("[a&&b]"}})"), "&&");
}

/// Steps of a Sequence that each put `content` at every place of a text.
std::string growing_steps(int count, const std::string& content) {
  const std::string step = fmt::format(R"({{"type":"Replace","pattern":{{"String":""}},"content":"{}"}})", content);
  std::string steps = step;
  for (int i = 1; i < count; ++i) steps += "," + step;
  return steps;
}

TEST(TokenizerFaults, StepsThatMakeATextLongerWithEachAreRefusedTogether) {
  const std::string steps = growing_steps(40, "twenty characters or");
  const auto error_with = [&](const std::string& rest, const auto& use) {
    return error_of([&] { use(*tokenizer_of_json(json_with(R"({"a":0})", "[]", rest))); });
  };
  const auto encode = [](const Tokenizer& tokenizer) { tokenizer.encode("aaaaaaaa"); };
  const auto decode = [](const Tokenizer& tokenizer) { tokenizer.decode(std::vector<TokenId>(8, 0), false); };
  const std::string wanted = "of a text, at most 6144 wanted";
  expect_names(error_with(R"(,"normalizer":{"type":"Sequence","normalizers":[)" + steps + "]}", encode), wanted);
  expect_names(error_with(R"(,"decoder":{"type":"Sequence","decoders":[)" + steps + "]}", decode), wanted);
  EXPECT_EQ(error_with(R"(,"normalizer":{"type":"Sequence","normalizers":[)" + growing_steps(1, "bbbb") + "]}", encode), "");
}

TEST(TokenizerFaults, CharactersOfStepsAreOne) {
  for (const std::string character : {"", "__", "        "}) {
    const auto error_with = [&](const std::string& step) { return json_error(json_with(R"({"a":0})", "[]", step + character + "\"}")); };
    expect_names(error_with(R"(,"pre_tokenizer":{"type":"Metaspace","replacement":")"), "wanted one character");
    expect_names(error_with(R"(,"decoder":{"type":"Strip","start":0,"stop":4444444444440,"content":")"), "wanted one character");
  }
}

TEST(TokenizerFaults, EveryTruncationOfAModelIsRefusedOrReads) {
  const std::string model = ModelText{.pieces = {{"a", -1, Type::kNormal}, {"b", -2, Type::kNormal}}}.str();
  size_t refused = 0;
  for (size_t size = 0; size < model.size(); ++size)
    refused += !error_of([&] { tokenizer_of_model(model.substr(0, size)); }).empty();
  EXPECT_GT(refused, model.size() * 9 / 10);
  EXPECT_EQ(error_of([&] { tokenizer_of_model(model); }), "");
}

TEST(TokenizerFaults, FlippedBytesOfAModelNeverCrash) {
  const std::string model = ModelText{.pieces = {{"a", -1, Type::kNormal}, {"<0x41>", 0, Type::kByte}}}.str();
  for (size_t at = 0; at < model.size(); ++at)
    for (const int flip : {0x01, 0x80, 0xFF}) {
      std::string damaged = model;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      error_of([&] { tokenizer_of_model(damaged)->encode("a b"); });
    }
}

TEST(TokenizerFaults, LengthsBeyondTheFileAreRefused) {
  using namespace std::string_literals;
  for (const auto& length : {"\x80\x80\x80\x80\x04"s, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"s})
    expect_names(error_of([&] { tokenizer_of_model("\x0A" + length + "abc"); }), "3 are left");
  expect_names(error_of([&] { tokenizer_of_model("\x0A" + std::string(11, '\xFF')); }), "more than ten bytes");
  expect_names(error_of([&] { tokenizer_of_model(""); }), "no pieces");
}

TEST(TokenizerFaults, ModelsOfAnotherKindAreNamed) {
  expect_names(error_of([] { tokenizer_of_model(ModelText{.model_type = 1}.str()); }), "wanted BPE");
  expect_names(error_of([] { tokenizer_of_model(ModelText{.pieces = {{"a", 0, Type::kUnused}}}.str()); }), "type 5");
  expect_names(error_of([] { tokenizer_of_model(ModelText{.pieces = {{"<s>", 0, Type::kNormal}}}.str()); }), "twice");
  const ModelText split_character{.pieces = {{"\xC3", 0, Type::kNormal}}};
  expect_names(error_of([&] { tokenizer_of_model(split_character.str()); }), "no UTF-8");
}

TEST(TokenizerFaults, BadTiktokenLinesAreNumbered) {
  const auto error_with = [](const std::string& text) {
    return error_of([&] { read_tiktoken({text, "tokenizer.model"}, {}); });
  };
  expect_names(error_with("YQ== 0\nYg==\n"), "line 2: wanted base64");
  expect_names(error_with("YQ== 0\nY!== 1\n"), "line 2: wanted base64");
  expect_names(error_with("YQ== 0\nYg== 99999999999\n"), "line 2: wanted base64");
  expect_names(error_with("YQ== 0\nYQ== 1\n"), "line 2: the token or its id 1 comes twice");
  expect_names(error_with("YQ== 0\n"), "no token for the byte 0");
}

TEST(TokenizerFaults, FolderWithoutATokenizerListsWhatWasLookedFor) {
  const TemporaryFolder folder;
  expect_names(error_of([&] { load_tokenizer(folder.path()); }), "tokenizer.json, tokenizer.model");
}

TEST(TokenizerFaults, ConfigFieldsOfAnotherTypeAreNamed) {
  const TemporaryFolder folder;
  const auto error_with = [&](const std::string& text) {
    write_file(folder / "tokenizer_config.json", text);
    return error_of([&] { read_tokenizer_config(folder.path()); });
  };
  expect_names(error_with("[]"), "not a JSON object");
  expect_names(error_with(R"({"add_bos_token":"yes"})"), "add_bos_token: found string");
  expect_names(error_with(R"({"bos_token":7})"), "bos_token: found number");
  expect_names(error_with(R"({"added_tokens_decoder":{"x":{"content":"a"}}})"), "found id \"x\"");
  expect_names(error_with(R"({"added_tokens_decoder":{"999999999":{"content":"a"}}})"), "found id \"999999999\"");
  expect_names(error_with(R"({"additional_special_tokens":7})"), "additional_special_tokens: found number");
  expect_names(error_with(R"({"additional_special_tokens":[7]})"), "additional_special_tokens: found number");
}

TEST(TokenizerFaults, BadAddedTokensAreNamed) {
  const TemporaryFolder folder;
  const auto error_with = [&](const std::string& text) {
    write_file(folder / "added_tokens.json", text);
    return error_of([&] { read_tokenizer_config(folder.path()); });
  };
  expect_names(error_with("[1]"), "not a JSON object");
  expect_names(error_with(R"({"<pad>": -1})"), "\"<pad>\": found -1");
  expect_names(error_with(R"({"<pad>": 1e9})"), "\"<pad>\": found 1000000000.0");
  expect_names(error_with(R"({"<pad>": "7"})"), "\"<pad>\": found \"7\"");
}

TEST(TokenizerFaults, NoIdIsLeftForTheTokensOfAClass) {
  const TemporaryFolder folder;
  std::string text;
  for (int byte = 0; byte < 256; ++byte) text += fmt::format("{} {}\n", base64_of_byte(byte), byte);
  write_file(folder / "qwen.tiktoken", text + "YWE= 4194303\n");
  expect_names(error_of([&] { load_tokenizer(folder.path()); }), "no id below 4194304 is left for \"<|endoftext|>\"");
}

}  // namespace
}  // namespace ingot::data
