#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "core/json.h"
#include "data/tokenizer_fixtures.h"

namespace ingot::data {
namespace {

using Ids = std::vector<TokenId>;
const std::vector<std::string> kConfigs = {"tokenizer_config.json", "special_tokens_map.json"};
const std::filesystem::path kLlamaCpp = kSharedFolder / "tokenizers/_vectors_llama.cpp";

std::vector<std::string> vector_strings() {
  return read_json(kSharedFolder / "tokenizers/_vectors/strings.json").get<std::vector<std::string>>();
}

std::vector<Ids> vector_ids(const std::string& name) {
  std::ifstream in(kSharedFolder / "tokenizers/_vectors" / (name + ".jsonl"));
  std::vector<Ids> ids;
  for (std::string line; std::getline(in, line);) ids.push_back(parse_json(line, name).get<Ids>());
  return ids;
}

/// A tokenizer from the named files of a family and its configuration.
std::unique_ptr<Tokenizer> load_family(const std::string& family, const std::vector<std::string>& files,
                                       const std::vector<std::string>& configs = kConfigs) {
  const TemporaryFolder folder;
  copy_family(family, files, folder);
  copy_family(family, configs, folder);
  return load_tokenizer(folder.path());
}

/// A family, the files of it to use, and the oracle whose ids it has to give.
struct Case {
  std::string family, oracle;
  std::vector<std::string> files;
};

Case hf_case(const std::string& family) { return {family, "hf." + family, {"tokenizer.json"}}; }
Case sp_case(const std::string& family) { return {family, "sp." + family, {"tokenizer.model"}}; }
Case tiktoken_case(const std::string& family, const std::string& file) { return {family, "tiktoken." + family, {file}}; }

void PrintTo(const Case& tested, std::ostream* out) { *out << tested.oracle << " with " << tested.files[0]; }

class TokenizerVectors : public testing::TestWithParam<Case> {};

/// Hugging Face's oracle finds special tokens in the text, the others do not; it saw the tokenizer.json alone.
TEST_P(TokenizerVectors, EqualTheOracle) {
  if (!std::filesystem::exists(kSharedFolder / "tokenizers")) GTEST_SKIP() << "no ../shared/tokenizers";
  const auto& [family, oracle, files] = GetParam();
  const bool json_alone = files[0] == "tokenizer.json";
  const auto tokenizer = load_family(family, files, json_alone ? std::vector<std::string>{} : kConfigs);
  const auto texts = vector_strings();
  const auto wanted = vector_ids(oracle);
  ASSERT_EQ(texts.size(), 135U);
  ASSERT_EQ(wanted.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(oracle.starts_with("hf.") ? tokenizer->encode(texts[i]) : tokenizer->encode_ordinary(texts[i]), wanted[i])
        << texts[i];
}

INSTANTIATE_TEST_SUITE_P(Families, TokenizerVectors,
                         testing::Values(hf_case("llama2"), hf_case("llama3"), hf_case("qwen1_5"), hf_case("qwen2_5"),
                                         hf_case("yi"), hf_case("mistral"), hf_case("mixtral"),
                                         Case{"qwen2", "hf.qwen1_5", {"vocab.json", "merges.txt"}}, sp_case("llama2"),
                                         sp_case("yi"), sp_case("mistral"), sp_case("mixtral"), sp_case("chatglm3"),
                                         sp_case("baichuan2"), tiktoken_case("llama3", "tokenizer.model"),
                                         tiktoken_case("glm4", "tokenizer.model"),
                                         tiktoken_case("qwen", "qwen.tiktoken")),
                         [](const auto& tested) {
                           std::string name = tested.param.oracle + "_" + tested.param.files[0];
                           for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

/// llama.cpp's own inputs, which a line of their own parts, and its ids, a line each.
std::vector<std::string> llama_cpp_inputs(const std::string& name) {
  constexpr std::string_view kBetween = "\n__ggml_vocab_test__\n";
  const std::string all = read_file(kLlamaCpp / (name + ".inp"));
  std::vector<std::string> texts;
  for (size_t begin = 0, end; begin < all.size(); begin = end + kBetween.size()) {
    end = std::min(all.find(kBetween, begin), all.size());
    texts.push_back(all.substr(begin, end - begin));
  }
  return texts;
}

std::vector<Ids> llama_cpp_ids(const std::string& name) {
  std::ifstream in(kLlamaCpp / (name + ".out"));
  std::vector<Ids> ids;
  for (std::string line; std::getline(in, line);) {
    std::istringstream numbers(line);
    ids.emplace_back(std::istream_iterator<TokenId>(numbers), std::istream_iterator<TokenId>());
  }
  return ids;
}

TEST(TokenizerVectors, EqualThoseOfLlamaCpp) {
  if (!std::filesystem::exists(kLlamaCpp)) GTEST_SKIP() << "no ../shared/tokenizers/_vectors_llama.cpp";
  const std::vector<Case> cases = {{"llama2", "ggml-vocab-llama-spm.gguf", {"tokenizer.model"}},
                                   {"llama3", "ggml-vocab-llama-bpe.gguf", {"tokenizer.model"}},
                                   {"qwen2", "ggml-vocab-qwen2.gguf", {"vocab.json", "merges.txt"}},
                                   {"qwen2_5", "ggml-vocab-deepseek-r1-qwen.gguf", {"tokenizer.json"}}};
  for (const auto& [family, name, files] : cases) {
    const auto tokenizer = load_family(family, files);
    const auto texts = llama_cpp_inputs(name);
    const auto wanted = llama_cpp_ids(name);
    ASSERT_EQ(texts.size(), 46U);
    ASSERT_EQ(wanted.size(), texts.size());
    for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(tokenizer->encode_ordinary(texts[i]), wanted[i]) << texts[i];
  }
}

TEST(TokenizerVectorsControl, IdsOfAnotherFamilyDiffer) {
  if (!std::filesystem::exists(kSharedFolder / "tokenizers")) GTEST_SKIP() << "no ../shared/tokenizers";
  EXPECT_NE(load_family("mistral", {"tokenizer.model"})->encode(vector_strings()[40]), vector_ids("sp.llama2")[40]);
}

/// Ids, size and surroundings that a family's files give. Source: MODELS §3, §4.
struct Facts {
  std::string family;
  std::vector<std::string> files;
  int64_t vocab_size;
  std::optional<TokenId> bos, eos;
  Ids prefix;
  std::vector<std::pair<std::string, TokenId>> tokens;
};

void expect_facts(const Facts& facts) {
  SCOPED_TRACE(facts.family + " " + facts.files[0]);
  const auto tokenizer = load_family(facts.family, facts.files);
  EXPECT_EQ(tokenizer->vocab_size(), facts.vocab_size);
  EXPECT_EQ(tokenizer->bos_id(), facts.bos);
  EXPECT_EQ(tokenizer->eos_id(), facts.eos);
  EXPECT_EQ(tokenizer->encode_with_special_tokens(""), facts.prefix);
  Ids wanted = facts.prefix;
  for (const TokenId id : tokenizer->encode("Hello")) wanted.push_back(id);
  EXPECT_EQ(tokenizer->encode_with_special_tokens("Hello"), wanted);
  for (const auto& [text, id] : facts.tokens) {
    EXPECT_EQ(tokenizer->token_id(text), id) << text;
    EXPECT_EQ(tokenizer->decode(Ids{id}), text);
    EXPECT_EQ(tokenizer->decode(Ids{id}, true), "") << text;
  }
}

TEST(TokenizerFamilies, FilesGiveTheFamiliesSpecialTokens) {
  if (!std::filesystem::exists(kSharedFolder / "tokenizers")) GTEST_SKIP() << "no ../shared/tokenizers";
  const std::vector<std::pair<std::string, TokenId>> llama = {{"<s>", 1}, {"</s>", 2}, {"<unk>", 0}};
  const std::vector<std::pair<std::string, TokenId>> qwen = {
      {"<|endoftext|>", 151643}, {"<|im_start|>", 151644}, {"<|im_end|>", 151645}};
  expect_facts({"llama2", {"tokenizer.json"}, 32000, 1, 2, {1}, llama});
  for (const char* family : {"llama2", "mistral", "mixtral"})
    expect_facts({family, {"tokenizer.model"}, 32000, 1, 2, {1}, llama});
  for (const char* file : {"tokenizer.json", "tokenizer.model"})
    expect_facts({"yi", {file}, 64000, 1, 2, {}, {{"<|startoftext|>", 1}, {"<|im_start|>", 6}, {"<|im_end|>", 7}}});
  for (const char* file : {"tokenizer.json", "tokenizer.model"})
    expect_facts({"llama3", {file}, 128256, 128000, 128001, {}, {{"<|eot_id|>", 128009}, {"<|start_header_id|>", 128006}}});
  expect_facts({"qwen", {"qwen.tiktoken"}, 151851, {}, 151643, {},
                {qwen[0], qwen[1], qwen[2], {"<|extra_0|>", 151646}, {"<|extra_204|>", 151850}}});
  expect_facts({"qwen1_5", {"tokenizer.json"}, 151646, {}, 151645, {}, qwen});
  expect_facts({"qwen2", {"vocab.json", "merges.txt"}, 151646, {}, 151645, {}, qwen});
  expect_facts({"qwen2_5", {"tokenizer.json"}, 151665, {}, 151645, {}, qwen});
  expect_facts({"chatglm3", {"tokenizer.model"}, 64798, 1, 2, {64790, 64792},
                {{"[MASK]", 64789}, {"[gMASK]", 64790}, {"[sMASK]", 64791}, {"sop", 64792}, {"eop", 64793},
                 {"<|system|>", 64794}, {"<|user|>", 64795}, {"<|assistant|>", 64796}, {"<|observation|>", 64797}}});
  expect_facts({"glm4", {"tokenizer.model"}, 151343, {}, 151329, {151331, 151333},
                {{"<|endoftext|>", 151329}, {"[gMASK]", 151331}, {"<|user|>", 151336}, {"<|end_of_video|>", 151342}}});
  expect_facts({"baichuan2", {"tokenizer.model"}, 125696, 1, 2, {}, llama});
}

TEST(TokenizerFamilies, ChatGlm3LeavesItsSpecialTokensInTextAlone) {
  if (!std::filesystem::exists(kSharedFolder / "tokenizers")) GTEST_SKIP() << "no ../shared/tokenizers";
  const auto tokenizer = load_family("chatglm3", {"tokenizer.model"});
  for (const char* text : {"sophisticated", "[gMASK]sop<|user|>", "a</s>b"})
    EXPECT_EQ(tokenizer->encode(text), tokenizer->encode_ordinary(text));
  Ids turns = {64790, 64792, 64795};  // a text before each special token is decoded as one of its own
  for (const char* text : {"\n", "Hello"})
    for (const TokenId id : tokenizer->encode(text)) turns.push_back(id);
  EXPECT_EQ(tokenizer->decode(turns), "[gMASK]sop<|user|>\n Hello");
}

TEST(TokenizerFamilies, QwenFindsSpecialTokensInNormalizedText) {
  if (!std::filesystem::exists(kSharedFolder / "tokenizers")) GTEST_SKIP() << "no ../shared/tokenizers";
  const auto tokenizer = load_family("qwen", {"qwen.tiktoken"});
  EXPECT_EQ(tokenizer->encode("<|im_end|>"), (Ids{151645}));
  EXPECT_EQ(tokenizer->encode("<|im_end|>\u0338"), tokenizer->encode("<|im_end|\u226F"));  // U+0338 joins the ">"
  EXPECT_GT(tokenizer->encode_ordinary("<|im_end|>").size(), 1U);
}

TEST(Stories260K, GivesTheIdsAndTextOfItsGoldenFile) {
  const auto folder = kSharedFolder / "tiny-models/stories260K-llama";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no ../shared/tiny-models";
  const auto tokenizer = load_tokenizer(folder);
  EXPECT_EQ(tokenizer->vocab_size(), 512);
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->eos_id(), 2);
  const Json golden = read_json(folder / "golden.json");
  for (const auto& sample : golden["greedy"]) {
    const auto prompt = sample["prompt"].get<std::string>();
    EXPECT_EQ(tokenizer->encode_with_special_tokens(prompt), sample["prompt_ids"].get<Ids>());
    EXPECT_EQ(tokenizer->decode(sample["greedy_ids"].get<Ids>(), true), sample["text"].get<std::string>());
  }
}

}  // namespace
}  // namespace ingot::data
