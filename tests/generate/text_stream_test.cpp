#include <gtest/gtest.h>

#include <random>

#include "data/tokenizer/utf8.h"
#include "generate/sampling.h"
#include "places.h"

namespace ingot::generate {
namespace {

using Ids = std::vector<data::TokenId>;

/// stories260K's tokenizer, which counts the ids that it decodes.
class CountingTokenizer : public data::Tokenizer {
 public:
  Ids encode(std::string_view text) const override { return inner_->encode(text); }
  Ids encode_ordinary(std::string_view text) const override { return inner_->encode_ordinary(text); }
  std::string decode(std::span<const data::TokenId> ids, bool skip_special = false) const override {
    num_decoded += ids.size();
    return inner_->decode(ids, skip_special);
  }
  Ids encode_with_special_tokens(std::string_view text) const override { return inner_->encode_with_special_tokens(text); }
  int64_t vocab_size() const override { return inner_->vocab_size(); }
  std::optional<data::TokenId> token_id(std::string_view token) const override { return inner_->token_id(token); }
  std::optional<data::TokenId> bos_id() const override { return inner_->bos_id(); }
  std::optional<data::TokenId> eos_id() const override { return inner_->eos_id(); }
  mutable size_t num_decoded = 0;

 private:
  std::unique_ptr<data::Tokenizer> inner_ = data::load_tokenizer(checkout() / "examples/stories260k");
};

std::string streamed(const data::Tokenizer& tokenizer, const Ids& prompt, const Ids& ids) {
  TextStream stream(tokenizer, prompt);
  std::string text, repaired;
  for (const auto id : ids) {
    const std::string part = stream.add(id);
    EXPECT_EQ(data::valid_utf8(part, repaired), part);
    text += part;
  }
  return text + stream.finish();
}

/// What `ids` add to the text of `prompt`, which has no bos.
std::string added_text(const data::Tokenizer& tokenizer, Ids prompt, const Ids& ids) {
  const size_t before = tokenizer.decode(prompt).size();
  prompt.insert(prompt.end(), ids.begin(), ids.end());
  return tokenizer.decode(prompt).substr(before);
}

TEST(TextStream, GivesTheTextOfAllTokens) {
  const CountingTokenizer tokenizer;
  const Ids prompt = tokenizer.encode("Once upon"), bos_prompt = tokenizer.encode_with_special_tokens("Once upon");
  for (const char* text : {" a time", "  two   spaces ", "\u4F60\u597D \U0001F999\U0001F680!", "caf\u00E9\n\n", " ", ""}) {
    const Ids ids = tokenizer.encode(text);
    const std::string wanted = added_text(tokenizer, prompt, ids);
    EXPECT_EQ(streamed(tokenizer, prompt, ids), wanted);
    EXPECT_EQ(streamed(tokenizer, bos_prompt, ids), wanted);
    EXPECT_EQ(streamed(tokenizer, {}, ids), tokenizer.decode(ids));
  }
}

TEST(TextStream, GivesTheTextOfRandomPieces) {
  const CountingTokenizer tokenizer;
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    Ids prompt(random() % 4), ids(random() % 20);
    for (auto* list : {&prompt, &ids})
      for (auto& id : *list) id = 259 + static_cast<data::TokenId>(random() % 253);  // behind the byte pieces
    EXPECT_EQ(streamed(tokenizer, prompt, ids), added_text(tokenizer, prompt, ids));
  }
}

TEST(TextStream, BytesThatMakeNoCharacterGiveValidText) {
  const CountingTokenizer tokenizer;
  std::mt19937 random(5);
  Ids ids(2000);
  for (auto& id : ids) id = 3 + static_cast<data::TokenId>(random() % 300);  // most are bytes
  EXPECT_FALSE(streamed(tokenizer, {}, ids).empty());
}

TEST(TextStream, WorkForATokenStaysTheSame) {
  const CountingTokenizer tokenizer;
  const Ids prompt = tokenizer.encode(std::string(3000, 'a'));
  Ids ids;
  while (ids.size() < 3000)
    for (const auto id : tokenizer.encode(" Lily saw a \U0001F999")) ids.push_back(id);
  TextStream stream(tokenizer, prompt);
  for (const auto id : ids) stream.add(id);
  EXPECT_LT(tokenizer.num_decoded, 4 * prompt.size() + 12 * ids.size());
}

}  // namespace
}  // namespace ingot::generate
