#include <gtest/gtest.h>

#include <random>

#include "core/error.h"
#include "data/tokenizer/bpe_builder.h"
#include "data/tokenizer/nfc.h"
#include "data/tokenizer/prefix_tree.h"
#include "data/tokenizer/pretokenizer.h"
#include "data/tokenizer/utf8.h"

namespace ingot::data {
namespace {

using Ids = std::vector<TokenId>;

/// Merging as it is defined: again and again the leftmost pair of the lowest rank.
Ids merge_plainly(const MergeTable& table, Ids symbols) {
  while (true) {
    size_t best = 0;
    uint32_t lowest = Merge::kNone;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const uint32_t rank = table.find(symbols[i], symbols[i + 1]).rank;
      if (rank < lowest) lowest = rank, best = i;
    }
    if (lowest == Merge::kNone) return symbols;
    symbols[best] = table.find(symbols[best], symbols[best + 1]).merged;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(MergeTable, EqualsPlainMergingAtEveryLength) {
  std::mt19937 random(11);
  for (int round = 0; round < 60; ++round) {
    MergeTable table;
    for (uint32_t rank = 0; rank < 40; ++rank)
      table.insert(TokenId(random() % (5 + rank)), TokenId(random() % (5 + rank)), {rank / 2, TokenId(5 + rank)});
    for (const size_t length : {0, 1, 2, 3, 20, 99, 100, 101, 300}) {
      Ids symbols(length);
      for (auto& symbol : symbols) symbol = TokenId(random() % 5);
      Ids merged = {7, 7};
      merged.insert(merged.end(), symbols.begin(), symbols.end());
      table.apply(merged, 2);
      Ids wanted = merge_plainly(table, symbols);
      wanted.insert(wanted.begin(), {7, 7});
      ASSERT_EQ(merged, wanted) << "round " << round << ", length " << length;
    }
  }
}

TEST(CharBpe, CuttingBetweenStrangersChangesNoIds) {
  std::mt19937 random(12);
  const std::vector<std::string> letters = {"a", "b", "\u00E9", "\u4F60", "\U0001F600"};
  const auto any = [&] { return letters[random() % letters.size()]; };
  Vocabulary pieces;
  pieces.insert("<unk>", 0);
  for (const auto& letter : letters) pieces.insert(letter, TokenId(pieces.size()));
  for (int i = 0; i < 12; ++i) pieces.insert(any() + any() + (i % 2 ? any() : ""), TokenId(pieces.size()));
  const MergeTable merges = merges_of_pieces(
      pieces, [](TokenId id) { return static_cast<uint32_t>(id); },
      [](std::string_view piece, size_t at) { return !is_utf8_tail(piece[at]); });
  CharBpe::Options options;
  options.unknown = 0;
  const CharBpe bpe(pieces, merges, options);
  for (int i = 0; i < 500; ++i) {
    std::string text;
    Ids symbols, ids;
    for (int n = static_cast<int>(random() % 40); n > 0; --n) text += any();
    for (size_t at = 0; at < text.size(); at += utf8_length(text[at]))
      symbols.push_back(*pieces.find(text.substr(at, utf8_length(text[at]))));
    bpe.encode(text, ids);
    ASSERT_EQ(ids, merge_plainly(merges, symbols)) << text;
  }
}

TEST(Vocabulary, FindsFromBothSidesAndKeepsGaps) {
  Vocabulary vocabulary;
  for (TokenId id = 0; id < 5000; ++id) EXPECT_TRUE(vocabulary.insert("piece" + std::to_string(id), id * 3));
  EXPECT_FALSE(vocabulary.insert("piece7", 1));
  EXPECT_FALSE(vocabulary.insert("other", 21));
  EXPECT_EQ(vocabulary.find("piece4999"), 14997);
  EXPECT_EQ(vocabulary.find("other"), std::nullopt);
  EXPECT_EQ(vocabulary.piece(21), "piece7");
  EXPECT_EQ(vocabulary.piece(22), std::nullopt);
  EXPECT_EQ(vocabulary.piece(-1), std::nullopt);
  EXPECT_EQ(vocabulary.size(), 14998);
}

std::vector<std::string> split(const std::string& text, SplitOptions options, const std::string& pattern = "-") {
  std::vector<std::string> parts;
  split_pretokenizer(TextPattern::regex(pattern, "test"), options)(
      text, true, [&](std::string_view part, bool) { parts.emplace_back(part); });
  return parts;
}

TEST(Split, BehaviorsTreatMatchesAsNamed) {  // the example of the Hugging Face documentation
  using Parts = std::vector<std::string>;
  const std::string text = "the-final--countdown";
  EXPECT_EQ(split(text, {SplitBehavior::kRemoved}), (Parts{"the", "final", "countdown"}));
  EXPECT_EQ(split(text, {SplitBehavior::kIsolated}), (Parts{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(split(text, {SplitBehavior::kMergedWithPrevious}), (Parts{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(split(text, {SplitBehavior::kMergedWithNext}), (Parts{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(split(text, {SplitBehavior::kContiguous}), (Parts{"the", "-", "final", "--", "countdown"}));
  EXPECT_EQ(split(text, {SplitBehavior::kRemoved, true}), (Parts{"-", "-", "-"}));
  EXPECT_EQ(split("a", {}, "x*"), (Parts{"a"}));  // empty matches split nothing off
}

TEST(TextPattern, MeansWhatOnigurumaMeans) {
  const auto matches = [](const std::string& pattern, const std::string& text) {
    return TextPattern::regex(pattern, "test").find(text, 0).has_value();
  };
  EXPECT_TRUE(matches("\\s", "\u0085"));
  EXPECT_FALSE(matches("[\\s]", "\u180E"));  // PCRE2's own \s has it
  EXPECT_TRUE(matches("[^\\S]", "\u3000"));
  EXPECT_TRUE(matches("(?i:'s)", "'\u017F"));
  EXPECT_TRUE(matches("\\w", "\u0301"));
  EXPECT_FALSE(matches("\\p{Han}", "\u3003"));  // Script_Extensions would have it
  EXPECT_TRUE(matches("\\u4F60", "\u4F60"));
  EXPECT_TRUE(matches("a$", "a\nb"));
}

std::string nfc(const std::string& text) { return to_nfc(text, NfcVersion::kUnicode9); }

TEST(Nfc, ComposesOrdersAndLeavesTheRestAlone) {
  EXPECT_EQ(nfc("plain \u4F60\u597D"), "plain \u4F60\u597D");
  EXPECT_EQ(nfc("e\u0301x\u304B\u3099"), "\u00E9x\u304C");
  EXPECT_EQ(nfc("a\u0323\u0302"), "\u1EAD");
  EXPECT_EQ(nfc("\u0302\u0323"), "\u0323\u0302");
  EXPECT_EQ(nfc("\u1100\u1161\u11A8 \uAC00\u11A8"), "\uAC01 \uAC01");
  EXPECT_EQ(nfc("\u212B\u2126"), "\u00C5\u03A9");
}

TEST(Nfc, MovesAMarkThatItsVersionKnows) {
  EXPECT_EQ(nfc("\u0301\u07FD"), "\u0301\u07FD");  // a mark of Unicode 11, which stands below
  EXPECT_EQ(to_nfc("\u0301\u07FD", NfcVersion::kUnicode15), "\u07FD\u0301");
}

TEST(Nfc, EqualsTheSlowWayOnRandomText) {
  std::mt19937 random(13);
  const std::vector<char32_t> pool = {'a',    'e',    0x301,  0x323,  0x300,  0xE9,   0x1100, 0x1161, 0x11A8, 0xAC00,
                                      0x304B, 0x3099, 0x4E00, 0x915,  0x93C,  0x2126, 0x1EA1, 0x1F600, ' ',    0x5D0};
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (int n = 0; n < 12; ++n) append_utf8(text, pool[random() % pool.size()]);
    ASSERT_EQ(nfc(text), to_unicode_form(text, UnicodeForm::kNfc));
    append_utf8(text, 0x7FD);
    ASSERT_EQ(to_nfc(text, NfcVersion::kUnicode15), to_unicode_form(text, UnicodeForm::kNfc));
  }
}

TEST(Utf8, IllFormedPartsBecomeOneReplacementEach) {
  std::string repaired;
  const auto fix = [&](const std::string& text) { return std::string(valid_utf8(text, repaired)); };
  EXPECT_EQ(fix("caf\xC3\xA9"), "caf\u00E9");
  EXPECT_EQ(fix("\xC0\xAF"), "\uFFFD\uFFFD");                      // overlong
  EXPECT_EQ(fix("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");            // a surrogate
  EXPECT_EQ(fix("\xF0\x9F\x98 \xE4\xBD"), "\uFFFD \uFFFD");        // cut short
  EXPECT_EQ(fix("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");  // above U+10FFFF
}

TEST(PrefixTree, FindsTheLongestKeyFromLeftToRight) {
  PrefixTree tree;
  EXPECT_FALSE(tree.find("abc", 0));
  tree.insert("ab", 1);
  tree.insert("abcd", 2);
  tree.insert("c", 3);
  const auto first = tree.find("xabcx", 0), second = tree.find("xabcx", 3);
  EXPECT_EQ(first->begin, 1U);
  EXPECT_EQ(first->value, 1);
  EXPECT_EQ(second->value, 3);
  EXPECT_EQ(tree.find("abcd", 0)->length, 4U);
  EXPECT_FALSE(tree.find("xyz", 0));
}

}  // namespace
}  // namespace ingot::data
