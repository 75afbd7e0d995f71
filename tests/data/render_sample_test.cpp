#include "data/sft/render_sample.h"

#include <gtest/gtest.h>

#include "line_chat.h"

namespace ingot::data {
namespace {

const Conversation kTwoQuestions{{{Role::kSystem, "s"}, {Role::kUser, "q1"}, {Role::kAssistant, "a1"}, {Role::kUser, "question"},
                              {Role::kAssistant, "a2"}}};  // "<S:s\nU:q1\nA:a1\nU:question\nA:a2\n>", 32 tokens

Sample rendered(int64_t cutoff_len, Truncation truncation, const Conversation& conversation = kTwoQuestions) {
  return render_sample(conversation, LineChat(), ByteTokenizer(), {.cutoff_len = cutoff_len, .truncation = truncation});
}

std::string text_of(const Sample& sample) { return {sample.ids.begin(), sample.ids.end()}; }

std::string labelled_text(const Sample& sample) {
  std::string labels;
  for (size_t i = 0; i < sample.ids.size(); ++i)
    if (sample.loss_mask[i]) labels += static_cast<char>(sample.ids[i]);
  return labels;
}

/// A tokenizer whose expression gives up on a text.
struct TiredTokenizer : ByteTokenizer {
  std::vector<TokenId> encode_ordinary(std::string_view text) const override {
    if (text.find("heavy") != std::string_view::npos) throw DataError("regular expression failed on the text: match limit exceeded");
    return ByteTokenizer::encode_ordinary(text);
  }
};

TEST(RenderSample, ATextThatTheTokenizerCannotCutIsThisRecordsFault) {
  const Conversation heavy{{{Role::kUser, "heavy"}, {Role::kAssistant, "a"}}};
  const auto sample = render_sample(heavy, LineChat(), TiredTokenizer(), {});
  EXPECT_EQ(sample.reason, "template lines: regular expression failed on the text: match limit exceeded");
}

TEST(RenderSample, AFractionIsTheWeightOfItsAnswersLabelsAlone) {
  const Conversation weighted{{{Role::kUser, "q"}, {Role::kAssistant, "a", 0.5}, {Role::kUser, "r"}, {Role::kAssistant, "b"}}};
  for (const bool train_on_prompt : {false, true}) {
    const auto sample = render_sample(weighted, LineChat(), ByteTokenizer(), {.train_on_prompt = train_on_prompt});
    const float prompt = train_on_prompt ? 1 : 0;
    ASSERT_EQ(sample.weights.size(), sample.ids.size());
    for (size_t i = 0; i < sample.ids.size(); ++i)
      EXPECT_EQ(sample.weights[i], sample.ids[i] == 'a' ? 0.5F : sample.ids[i] == 'b' ? 1.0F : sample.weights[i]) << i;
    EXPECT_EQ(sample.weights[0], prompt);
  }
}

TEST(RenderSample, WholeWeightsAreNotKept) {
  const Conversation whole{{{Role::kUser, "q"}, {Role::kAssistant, "a", 0}, {Role::kUser, "r"}, {Role::kAssistant, "b", 1}}};
  EXPECT_TRUE(render_sample(whole, LineChat(), ByteTokenizer(), {}).weights.empty());
}

TEST(RenderSample, AnAnswerOfWeight0IsNeverALabel) {
  const Conversation talk{{{Role::kUser, "q"}, {Role::kAssistant, "no", 0}, {Role::kUser, "r"}, {Role::kAssistant, "yes"}}};
  for (const SampleOptions options : {SampleOptions{.train_on_prompt = true}, SampleOptions{.train_on_prompt = true, .mask_history = true}})
    EXPECT_EQ(labelled_text(render_sample(talk, LineChat(), ByteTokenizer(), options)), "<U:q\nA:U:r\nA:yes\n>");
  const Conversation alone{{{Role::kUser, "q"}, {Role::kAssistant, "no", 0}}};
  EXPECT_EQ(labelled_text(render_sample(alone, LineChat(), ByteTokenizer(), {.train_on_prompt = true, .mask_history = true})), "<U:q\nA:>");
}

TEST(RenderSample, CutPromptKeepsASystemMessageAmongTheTurns) {
  const Conversation talk{{{Role::kUser, "a long old question"}, {Role::kAssistant, "old"}, {Role::kSystem, "RULE"}, {Role::kUser, "new"}, {Role::kAssistant, "fresh"}}};
  const auto sample = render_sample(talk, LineChat(), ByteTokenizer(), {.cutoff_len = 30, .truncation = Truncation::kCutPrompt});
  EXPECT_EQ(text_of(sample), "<S:RULE\nU:new\nA:fresh\n>");
  const auto shorter = render_sample(talk, LineChat(), ByteTokenizer(), {.cutoff_len = 22, .truncation = Truncation::kCutPrompt});
  EXPECT_EQ(text_of(shorter), "<S:RULE\nU:ne\nA:fresh\n>");
}

TEST(RenderSample, WeightsAreCutWithTheirTokens) {
  const Conversation weighted{{{Role::kUser, "q"}, {Role::kAssistant, "a long answer", 0.25}}};
  const auto sample = render_sample(weighted, LineChat(), ByteTokenizer(), {.cutoff_len = 12});
  EXPECT_EQ(sample.ids.size(), 12u);
  EXPECT_EQ(sample.weights.size(), 12u);
}

TEST(RenderSample, KeepsWhatFits) {
  for (const auto& name : truncation_names()) {
    const Sample sample = rendered(32, truncation_of(name));
    EXPECT_EQ(text_of(sample), "<S:s\nU:q1\nA:a1\nU:question\nA:a2\n>");
    EXPECT_EQ(labelled_text(sample), "a1\na2\n");
    EXPECT_EQ(sample.cut(), 0u);
  }
}

TEST(RenderSample, CutsTheEnd) {
  const Sample sample = rendered(28, Truncation::kCutResponse);
  EXPECT_EQ(text_of(sample), "<S:s\nU:q1\nA:a1\nU:question\nA:");
  EXPECT_EQ(sample.cut(), 4u);
  EXPECT_EQ(rendered(12, Truncation::kCutResponse).reason, "no label is left within cutoff_len");
}

TEST(RenderSample, LeavesTheOldestTurnsOut) {
  const Sample sample = rendered(25, Truncation::kCutPrompt);
  EXPECT_EQ(text_of(sample), "<S:s\nU:question\nA:a2\n>");
  EXPECT_EQ(labelled_text(sample), "a2\n");
  EXPECT_EQ(sample.cut(), 10u);
}

TEST(RenderSample, CutsTheLastQuestionBetweenCharacters) {
  EXPECT_EQ(text_of(rendered(20, Truncation::kCutPrompt)), "<S:s\nU:questi\nA:a2\n>");
  const Conversation chinese{{{Role::kUser, "\xE4\xBD\xA0\xE5\xA5\xBD\xE5\x90\x97"}, {Role::kAssistant, "a"}}};
  EXPECT_EQ(text_of(rendered(16, Truncation::kCutPrompt, chinese)), "<U:\xE4\xBD\xA0\xE5\xA5\xBD\nA:a\n>");
  EXPECT_EQ(rendered(9, Truncation::kCutPrompt, chinese).reason, "longer than cutoff_len without its question");
}

TEST(RenderSample, SkipsOrEndsTheRunOnRequest) {
  const Sample skipped = rendered(31, Truncation::kSkip);
  EXPECT_EQ(skipped.reason, "longer than cutoff_len");
  EXPECT_EQ(skipped.detail, "32 tokens");
  EXPECT_EQ(skipped.rendered, 32u);
  EXPECT_NE(error_of<DataError>([] { rendered(31, Truncation::kError); }).find("32 tokens, wanted at most cutoff_len = 31"),
            std::string::npos);
}

TEST(RenderSample, ChoosesWhatIsALabel) {
  const auto labels = [](SampleOptions options) {
    return labelled_text(render_sample(kTwoQuestions, LineChat(), ByteTokenizer(), options));
  };
  EXPECT_EQ(labels({.mask_history = true}), "a2\n");
  EXPECT_EQ(labels({.train_on_prompt = true}), "<S:s\nU:q1\nA:a1\nU:question\nA:a2\n>");
}

TEST(RenderSample, GivesTheReasonOfTheTemplateAndOfNoLabel) {
  Conversation tools = kTwoQuestions, silent{{{Role::kUser, "q"}, {Role::kAssistant, "a", 0}}};
  tools.tools = {JsonValue{}};
  EXPECT_EQ(rendered(50, Truncation::kSkip, tools).reason, "template lines: tools cannot be told");
  EXPECT_EQ(rendered(50, Truncation::kSkip, silent).reason, "not one token is a label");
}

}  // namespace
}  // namespace ingot::data
