#include "data/chat/chat_template.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "core/random.h"
#include "data/chat/chat_family.h"
#include "data/chat_tokenizer.h"
#include "data/test_files.h"

namespace ingot::data {
namespace {

using Ids = std::vector<TokenId>;

const Conversation kTwoTurns{{{Role::kSystem, "be nice"}, {Role::kUser, "one"}, {Role::kAssistant, "1"}, {Role::kUser, "two"},
                              {Role::kAssistant, "2"}}};

class EveryTemplate : public testing::TestWithParam<std::string> {
 protected:
  const ChatTokenizer tokenizer_ = tokenizer_of_all_templates();
  const std::unique_ptr<ChatTemplate> chat_ = make_chat_template(GetParam());
};

TEST_P(EveryTemplate, RendersItsTextAndMarksEachTurn) {
  const auto chat = chat_->render(kTwoTurns, tokenizer_);
  EXPECT_EQ(chat_->name(), GetParam());
  EXPECT_EQ(chat.ids.size(), chat.loss_mask.size());
  EXPECT_EQ(tokenizer_.decode(chat.ids, false), chat.text);
  ASSERT_EQ(chat.turn_starts.size(), 2U);
  const auto text_before = [&](size_t turn) { return tokenizer_.decode(std::span(chat.ids).first(chat.turn_starts[turn]), false); };
  EXPECT_EQ(text_before(0).find("one"), std::string::npos);
  EXPECT_NE(text_before(1).find("1"), std::string::npos);
  EXPECT_EQ(text_before(1).find("two"), std::string::npos);
}

TEST_P(EveryTemplate, OpensAnAnswerAsItsTrainingTextDoes) {
  Conversation question = kTwoTurns;
  question.messages.pop_back();
  const auto chat = chat_->render(kTwoTurns, tokenizer_), prompt = chat_->prompt(question, tokenizer_);
  ASSERT_LT(prompt.ids.size(), chat.ids.size());
  EXPECT_TRUE(std::equal(prompt.ids.begin(), prompt.ids.end(), chat.ids.begin()));
  EXPECT_EQ(std::count(prompt.loss_mask.begin(), prompt.loss_mask.end(), kNoLabel), static_cast<int64_t>(prompt.ids.size()));
}

TEST_P(EveryTemplate, LabelsTheAnswersAndWhatEndsThem) {
  const auto chat = chat_->render(kTwoTurns, tokenizer_);
  const auto stops = chat_->stop_ids(tokenizer_);
  std::string labelled;
  bool ends = false;  // the last label is a token that stops generation
  for (size_t i = 0; i < chat.ids.size(); ++i) {
    if (chat.loss_mask[i] == kNoLabel) continue;
    const TokenId label = chat.loss_mask[i] == kEosLabel ? 299 : chat.ids[i];
    ends = std::find(stops.begin(), stops.end(), label) != stops.end();
    if (label < 256 && label != ' ') labelled += static_cast<char>(label);
  }
  EXPECT_EQ(labelled, "12");
  EXPECT_TRUE(ends);
}

TEST_P(EveryTemplate, HasNoLabelWhereTheAnswersAreNone) {
  Conversation unlabelled = kTwoTurns;
  for (auto& message : unlabelled.messages) message.weight = 0;
  const auto chat = chat_->render(unlabelled, tokenizer_);
  EXPECT_EQ(chat.ids, chat_->render(kTwoTurns, tokenizer_).ids);
  EXPECT_EQ(std::count(chat.loss_mask.begin(), chat.loss_mask.end(), kNoLabel), static_cast<int64_t>(chat.ids.size()));
}

TEST_P(EveryTemplate, GivesTheLabelsTheWeightOfTheirAnswer) {
  Conversation weighted = kTwoTurns;
  weighted.messages[2].weight = 0.25;
  const auto chat = chat_->render(weighted, tokenizer_), whole = chat_->render(kTwoTurns, tokenizer_);
  EXPECT_EQ(chat.loss_mask, whole.loss_mask);
  const size_t labels = static_cast<size_t>(std::count(whole.weights.begin(), whole.weights.end(), 1.0F));
  const auto quarters = static_cast<size_t>(std::count(chat.weights.begin(), chat.weights.end(), 0.25F));
  const auto ones = static_cast<size_t>(std::count(chat.weights.begin(), chat.weights.end(), 1.0F));
  EXPECT_EQ(quarters, ones);  // both answers are of one character and what ends it
  EXPECT_EQ(quarters + ones, labels);
  for (size_t i = 0; i < chat.ids.size(); ++i) EXPECT_EQ(chat.weights[i] != 0, chat.loss_mask[i] != kNoLabel);
}

TEST_P(EveryTemplate, RefusesAConversationOfNothing) {
  EXPECT_NE(error_of<DataError>([&] { chat_->render({}, tokenizer_); }).find(GetParam()), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Names, EveryTemplate, testing::ValuesIn(chat_template_names()), [](const auto& tested) {
  std::string name = tested.param;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

const std::vector<std::string> kPieces = {
    "", " ", "\n", "\n\n", "hi", "你好", "<|im_end|>", "<|im_start|>", "[gMASK]", "<reserved_106>", "</s>", "{content}",
    "\xED\xA0\x80", "\xFF", "\xE4\xBD", "[[[[", "{}", "\"x\"", "\xC2\xA0", "\xE3\x80\x80"};

Conversation random_conversation(uint64_t seed) {
  uint64_t draws = 0;
  const auto below = [&](uint64_t n) { return random_bits(seed, 99, draws++) % n; };
  Conversation conversation;
  for (uint64_t left = below(6); left > 0; --left) {
    Message message{static_cast<Role>(below(4)), "", below(4) != 0 ? 1.0 : 0.0};
    for (uint64_t parts = below(4); parts > 0; --parts) message.content += kPieces[below(kPieces.size())];
    const bool calls = message.role == Role::kAssistant && below(3) == 0;
    for (uint64_t left_calls = calls ? below(3) : 0; left_calls > 0; --left_calls)
      message.calls.push_back({kPieces[below(kPieces.size())], parse_json_value(R"({"a": [1.50, null]})", "arguments"), "id"});
    if (below(20) == 0) message.reasoning = "hm";
    conversation.messages.push_back(std::move(message));
  }
  const uint64_t tools = below(8);
  if (tools < 2) conversation.tools.push_back(parse_json_value(R"({"type": "function", "function": {"name": "f"}})", "tool"));
  if (tools == 0) conversation.tools.push_back(parse_json_value("3", "tool"));
  return conversation;
}

/// 5,000 conversations of any roles and texts: rendered or refused with one line, never anything else.
TEST(ChatTemplates, SurviveAnyConversation) {
  const ChatTokenizer tokenizer = tokenizer_of_all_templates();
  size_t rendered = 0, refused = 0;
  const auto names = chat_template_names();
  std::vector<std::unique_ptr<ChatTemplate>> chats;
  for (const auto& name : names) chats.push_back(make_chat_template(name, {.vendor_labels = chats.size() % 2 == 0}));
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    const auto& chat = *chats[seed % chats.size()];
    const Conversation conversation = random_conversation(seed);
    try {
      const auto whole = chat.render(conversation, tokenizer);
      EXPECT_EQ(whole.ids.size(), whole.loss_mask.size());
      EXPECT_TRUE(std::is_sorted(whole.turn_starts.begin(), whole.turn_starts.end()));
      EXPECT_TRUE(whole.turn_starts.empty() || whole.turn_starts.back() <= whole.ids.size());
      chat.prompt(conversation, tokenizer);
      ++rendered;
    } catch (const DataError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      ++refused;
    }
  }
  EXPECT_GT(rendered, 1000U);
  EXPECT_GT(refused, 1000U);
}

TEST(ChatTemplates, SayWhatTheTokenizerLacks) {
  EXPECT_EQ(make_chat_template("qwen2")->missing_tokens(ChatTokenizer({"<|im_start|>"})), std::vector<std::string>{"<|im_end|>"});
  EXPECT_TRUE(make_chat_template("alpaca")->missing_tokens(ChatTokenizer({})).empty());
}

TEST(ChatTemplates, TheDateOfLlama3_2IsTheCallers) {
  const auto chat = make_chat_template("llama3.2", {.date = "01 Jan 2030"});
  const auto text = chat->render(kTwoTurns, tokenizer_of_all_templates()).text;
  EXPECT_NE(text.find("Today Date: 01 Jan 2030\n\nbe nice"), std::string::npos) << text;
}

TEST(ChatTemplates, AnAnswerIsItsContent) {
  EXPECT_EQ(make_chat_template("qwen2")->answer(" kept \n"), " kept \n");
  EXPECT_EQ(make_chat_template("llama2")->answer(" text "), "text");
  EXPECT_EQ(make_chat_template("glm4")->answer("\ntext\nmore"), "text\nmore");
  EXPECT_EQ(make_chat_template("chatglm3")->answer(" \n text"), "text");
}

TEST(ChatFormats, EfficientEosIsTheLabelBehindAnAnswer) {
  const ScratchFolder folder;
  const auto file = folder.write("mine.yaml", "user: \"<U>{content}<A>\"\nefficient_eos: true\nprefix: \"{bos}\"\n");
  const auto chat = make_chat_template(file.string())->render(kTwoTurns, ChatTokenizer({"<U>", "<A>"}));
  EXPECT_EQ(chat.text, "<s>be nice<U>one<A>1<U>two<A>2</s>");
  const size_t second = chat.turn_starts.at(1);
  EXPECT_EQ(chat.ids[second], 300);
  EXPECT_EQ(chat.loss_mask[second], kEosLabel);
  EXPECT_EQ(chat.loss_mask.back(), kLabel);
}

TEST(ChatFormats, SpaceBehindTheLastTokenOfAnAnswerIsNoLabel) {
  const ScratchFolder folder;
  const auto file = folder.write("mine.yaml", "user: \"{content}\"\nassistant: \"-{content}<E>\\n\"\n");
  const auto chat = make_chat_template(file.string())->render({{{Role::kUser, "q"}, {Role::kAssistant, "a"}}},
                                                              ChatTokenizer({"<E>"}));
  EXPECT_EQ(chat.ids, (Ids{'q', '-', 'a', 300, '\n'}));
  EXPECT_EQ(chat.loss_mask, (std::vector<uint8_t>{0, 1, 1, 1, 0}));
}

}  // namespace
}  // namespace ingot::data
