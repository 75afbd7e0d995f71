#include "data/chat/chat_writer.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "data/chat_tokenizer.h"
#include "data/test_files.h"

namespace ingot::data {
namespace {

using Ids = std::vector<TokenId>;
using Mask = std::vector<uint8_t>;

ChatWriter writer_for(const Tokenizer& tokenizer) { return ChatWriter(tokenizer, "test", {"<a>", "<b>"}); }

TEST(ChatWriter, EncodesTextsBetweenSpecialTokensAsOneRun) {
  const ChatTokenizer tokenizer({"<a>", "<b>"});
  ChatWriter to = writer_for(tokenizer);
  to.special("<a>");
  to.text("x\n");
  to.text("\ny");
  to.special("<b>", /*label=*/true);
  const auto chat = to.take();
  EXPECT_EQ(chat.text, "<a>x\n\ny<b>");
  EXPECT_EQ(chat.ids, (Ids{300, 'x', kTwoNewlines, 'y', 301}));
  EXPECT_EQ(chat.loss_mask, (Mask{0, 0, 0, 0, 1}));
}

TEST(ChatWriter, ATokenAcrossTheBorderIsALabelAtEitherEnd) {
  const ChatTokenizer tokenizer({});
  ChatWriter to = writer_for(tokenizer);
  to.text("x\n");
  to.text("\ny\n", /*label=*/true);
  to.text("\nz");
  const auto chat = to.take();
  EXPECT_EQ(chat.ids, (Ids{'x', kTwoNewlines, 'y', kTwoNewlines, 'z'}));
  EXPECT_EQ(chat.loss_mask, (Mask{0, 1, 1, 0, 0}));  // labels begin and end where the text before stops being the same
}

TEST(ChatWriter, ACutEncodesWhatFollowsByItself) {
  const ChatTokenizer tokenizer({});
  ChatWriter to = writer_for(tokenizer);
  to.text("x\n");
  to.cut();
  to.text("\ny", /*label=*/true);
  const auto chat = to.take();
  EXPECT_EQ(chat.ids, (Ids{'x', '\n', '\n', 'y'}));
  EXPECT_EQ(chat.loss_mask, (Mask{0, 0, 1, 1}));
}

TEST(ChatWriter, MarksTheFirstTokenOfATurn) {
  const ChatTokenizer tokenizer({"<a>"});
  ChatWriter to = writer_for(tokenizer);
  to.text("system");
  to.begin_turn();
  to.text("one");
  to.begin_turn();
  to.special("<a>");
  EXPECT_EQ(to.take().turn_starts, (std::vector<size_t>{6, 9}));
}

TEST(ChatWriter, GivesTheNextTokenTheLabelEos) {
  const ChatTokenizer tokenizer({"<a>"});
  ChatWriter to = writer_for(tokenizer);
  to.next_label_is_eos();
  to.special("<a>");
  to.text("x");
  to.next_label_is_eos();
  to.text("yz");
  EXPECT_EQ(to.take().loss_mask, (Mask{kEosLabel, kNoLabel, kEosLabel, kNoLabel}));
}

/// A tokenizer that reads the texts of its tokens in ordinary text, too, as SentencePiece does its user-defined pieces.
TEST(ChatWriter, TakesTheTextsOfControlTokensApart) {
  const ChatTokenizer tokenizer({"<a>", "<b>"}, /*parses_ordinary=*/true);
  ASSERT_EQ(tokenizer.encode_ordinary("<a>"), Ids{300});
  ChatWriter to = writer_for(tokenizer);
  to.special("<a>");
  to.text("say <a><b>\n\n<a", /*label=*/true);
  const auto chat = to.take();
  EXPECT_EQ(std::count(chat.ids.begin(), chat.ids.end(), 300), 1);
  EXPECT_EQ(std::count(chat.ids.begin(), chat.ids.end(), 301), 0);
  EXPECT_EQ(tokenizer.decode(chat.ids, false), chat.text);
}

TEST(ChatWriter, NamesAMissingToken) {
  const ChatTokenizer tokenizer({});
  ChatWriter to = writer_for(tokenizer);
  const std::string said = error_of<ConfigError>([&] { to.special("<a>"); });
  EXPECT_NE(said.find("template test: the tokenizer has no token \"<a>\""), std::string::npos) << said;
}

}  // namespace
}  // namespace ingot::data
