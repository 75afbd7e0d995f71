#include "core/file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "core/sha256.h"
#include "temporary_folder.h"

namespace ingot {
namespace {
namespace fs = std::filesystem;

TEST(AtomicFile, AppearsOnlyAtCommit) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a.bin");
  file.write("hello");
  EXPECT_FALSE(fs::exists(folder / "a.bin"));
  file.commit();
  EXPECT_EQ(read_file(folder / "a.bin"), "hello");
}

TEST(AtomicFile, LeavesNothingWhenGivenUp) {
  const TemporaryFolder folder;
  { AtomicFile(folder / "a.bin").write("hello"); }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(AtomicFile, KeepsTheOldFileUntilCommit) {
  const TemporaryFolder folder;
  write_file(folder / "a", "old");
  AtomicFile file(folder / "a");
  file.write("new");
  EXPECT_EQ(read_file(folder / "a"), "old");
}

TEST(AtomicFile, WritesLargeAndSmallPiecesInOrder) {
  const TemporaryFolder folder;
  std::string wanted;
  AtomicFile file(folder / "a");
  for (const size_t size : {1u, 100u, 3u << 20, 7u, 1u << 20, 5u}) {
    const std::string piece(size, static_cast<char>('a' + wanted.size() % 26));
    file.write(piece);
    wanted += piece;
  }
  file.write_at(2, "XY", 2);
  wanted.replace(2, 2, "XY");
  file.commit();
  EXPECT_EQ(read_file(folder / "a"), wanted);
}

TEST(AtomicFile, RefusesAPlaceThatCannotBeWritten) {
  EXPECT_THROW(AtomicFile("/proc/nothing/here"), ConfigError);
}

TEST(ReadFile, NamesAMissingFileAFolderAndATooLargeOne) {
  const TemporaryFolder folder;
  write_file(folder / "a", "12345");
  EXPECT_THROW(read_file(folder / "b"), DataError);
  EXPECT_THROW(read_file(folder.path()), DataError);
  EXPECT_THROW(read_file(folder / "a", 4), DataError);
  EXPECT_EQ(read_file(folder / "a", 5), "12345");
}

TEST(PathInside, RefusesPathsThatLeaveTheFolder) {
  const TemporaryFolder folder;
  for (const char* name : {"../x", "/etc/passwd", "a/../../x", ""})
    EXPECT_THROW(path_inside(folder.path(), name, "index.json"), DataError) << name;
  EXPECT_EQ(path_inside(folder.path(), "a.bin", "index.json"), folder / "a.bin");
}

TEST(PathInside, RefusesALinkOutOfTheFolder) {
  const TemporaryFolder folder;
  fs::create_symlink("/etc/passwd", folder / "a.bin");
  EXPECT_THROW(path_inside(folder.path(), "a.bin", "index.json"), DataError);
}

TEST(PathInside, FollowsTheLinksOfAHuggingFaceCache) {
  const TemporaryFolder cache;
  fs::create_directories(cache / "snapshots/rev");
  fs::create_directories(cache / "blobs");
  write_file(cache / "blobs/1", "x");
  fs::create_symlink("../../blobs/1", cache / "snapshots/rev/a.bin");
  EXPECT_EQ(read_file(path_inside(cache / "snapshots/rev", "a.bin", "index.json")), "x");
}

TEST(MappedFile, ShowsTheBytesOfAFile) {
  const TemporaryFolder folder;
  write_file(folder / "a", std::string(10000, 'x'));
  write_file(folder / "empty", "");
  const MappedFile file(folder / "a");
  ASSERT_EQ(file.bytes().size(), 10000u);
  file.release(0, 10000);
  EXPECT_EQ(file.bytes()[9999], std::byte{'x'});
  EXPECT_TRUE(MappedFile(folder / "empty").bytes().empty());
}

TEST(Sha256, EqualsThePublishedKnownAnswer) {  // FIPS 180-2, "abc"
  EXPECT_EQ(sha256_hex(std::as_bytes(std::span("abc", 3))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace ingot
