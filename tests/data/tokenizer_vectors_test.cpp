#include <gtest/gtest.h>

#include <fstream>

#include "core/json.h"
#include "data/tokenizer_fixtures.h"

namespace ingot::data {
namespace {

using Ids = std::vector<TokenId>;
const std::vector<std::string> kConfigs = {"tokenizer_config.json", "special_tokens_map.json"};

std::vector<std::string> vector_strings() {
  return read_json(kSharedFolder / "tokenizers/_vectors/strings.json").get<std::vector<std::string>>();
}

std::vector<Ids> vector_ids(const std::string& name) {
  std::ifstream in(kSharedFolder / "tokenizers/_vectors" / (name + ".jsonl"));
  std::vector<Ids> ids;
  for (std::string line; std::getline(in, line);) ids.push_back(parse_json(line, name).get<Ids>());
  return ids;
}

/// A family, the files of it to use, and the oracle whose ids it has to give.
struct Case {
  std::string family, oracle;
  std::vector<std::string> files;
  bool plain_special = false;
};

void PrintTo(const Case& tested, std::ostream* out) { *out << tested.oracle << " with " << tested.files[0]; }

class TokenizerVectors : public testing::TestWithParam<Case> {};

TEST_P(TokenizerVectors, EqualTheOracle) {
  if (!std::filesystem::exists(kSharedFolder / "tokenizers")) GTEST_SKIP() << "no ../shared/tokenizers";
  const auto& [family, oracle, files, plain_special] = GetParam();
  const TemporaryFolder folder;
  copy_family(family, files, folder);
  copy_family(family, kConfigs, folder);
  const auto tokenizer = load_tokenizer(folder.path());
  const auto& pipeline = dynamic_cast<const PipelineTokenizer&>(*tokenizer);
  const auto texts = vector_strings();
  const auto wanted = vector_ids(oracle);
  ASSERT_EQ(texts.size(), 135U);
  ASSERT_EQ(wanted.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(plain_special ? pipeline.encode_ordinary(texts[i]) : pipeline.encode(texts[i]), wanted[i]) << texts[i];
}

INSTANTIATE_TEST_SUITE_P(Families, TokenizerVectors,
                         testing::Values(Case{"llama2", "hf.llama2", {"tokenizer.json"}},
                                         Case{"llama3", "hf.llama3", {"tokenizer.json"}},
                                         Case{"qwen2_5", "hf.qwen2_5", {"tokenizer.json"}},
                                         Case{"yi", "hf.yi", {"tokenizer.json"}},
                                         Case{"mistral", "hf.mistral", {"tokenizer.json"}},
                                         Case{"qwen2", "hf.qwen1_5", {"vocab.json", "merges.txt"}},
                                         Case{"llama2", "sp.llama2", {"tokenizer.model"}, true},
                                         Case{"yi", "sp.yi", {"tokenizer.model"}, true},
                                         Case{"mistral", "sp.mistral", {"tokenizer.model"}, true},
                                         Case{"llama3", "tiktoken.llama3", {"tokenizer.model"}, true}),
                         [](const auto& tested) {
                           std::string name = tested.param.oracle + "_" + tested.param.files[0];
                           for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

TEST(TokenizerVectorsControl, IdsOfAnotherFamilyDiffer) {
  if (!std::filesystem::exists(kSharedFolder / "tokenizers")) GTEST_SKIP() << "no ../shared/tokenizers";
  const TemporaryFolder folder;
  copy_family("mistral", {"tokenizer.model"}, folder);
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_NE(tokenizer->encode(vector_strings()[40]), vector_ids("sp.llama2")[40]);
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
