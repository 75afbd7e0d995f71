#include "data/shards/piece_file.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "test_files.h"

namespace ingot::data {
namespace {

void write_piece(const std::filesystem::path& file, const std::vector<TokenId>& ids) {
  PieceWriter piece(file, "a heading");
  piece.add(uint64_t{7}), piece.add(std::string_view("text")), piece.add_ids(ids), piece.add(std::vector<float>{0.5f, -1});
  piece.add(std::map<std::string, uint64_t>{{"x", 1}, {"y", 2}});
  piece.commit();
}

TEST(PieceFile, GivesBackWhatWasPutIn) {
  const ScratchFolder folder;
  for (const auto& ids : {std::vector<TokenId>{}, {0, 65535}, {-100, 3}, {1, 65536}, std::vector<TokenId>(3'000'000, 9)}) {
    write_piece(folder / "a", ids);
    PieceReader piece(folder / "a", "a heading");
    EXPECT_EQ(piece.get<uint64_t>(), 7u);
    EXPECT_EQ(piece.get_text(), "text");
    EXPECT_EQ(piece.get_ids(), ids);
    EXPECT_EQ(piece.get_all<float>(), (std::vector<float>{0.5f, -1}));
    EXPECT_EQ(piece.get_counts().at("y"), 2u);
    EXPECT_TRUE(piece.at_end());
  }
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a"});
}

TEST(PieceFile, EveryFlippedBitAndEveryCutIsSeen) {
  const ScratchFolder folder;
  write_piece(folder / "a", {1, 2, 3});
  const std::string sound = read_file(folder / "a");
  for (size_t i = 0; i < sound.size(); ++i) {
    std::string flipped = sound;
    flipped[i] ^= 4;
    folder.write("a", flipped);
    EXPECT_NE(error_of<DataError>([&] { PieceReader(folder / "a", "a heading"); }).find("its bytes are not those that were written"), std::string::npos);
    folder.write("a", sound.substr(0, i));
    EXPECT_THROW(PieceReader(folder / "a", "a heading"), DataError);
  }
  folder.write("a", sound);
  EXPECT_NE(error_of<DataError>([&] { PieceReader(folder / "a", "another"); }).find("is of other work"), std::string::npos);
}

TEST(PieceFile, OneThatIsNotFinishedLeavesNothing) {
  const ScratchFolder folder;
  { PieceWriter piece(folder / "a", "a heading"); }
  EXPECT_TRUE(folder.names().empty());
}

}  // namespace
}  // namespace ingot::data
