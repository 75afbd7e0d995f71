#include "core/output_folder.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "core/error.h"
#include "core/file.h"
#include "core/plain_path.h"
#include "temporary_folder.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

void write_output(const fs::path& target, const std::string& text) {
  OutputFolder output(target, "test");
  write_file(output.path() / "a.txt", text);
  make_folder(output.path() / "sub");
  write_file(output.path() / "sub/b.txt", text);
  output.publish();
}

void put(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

/// What the refusal_of says; the folder must be as it was.
std::string refusal_of(const fs::path& target) {
  try {
    write_output(target, "new");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(OutputFolder, ReplacesWhatItMadeAndASlashBehindTheNameIsNothing) {
  const TemporaryFolder folder;
  for (const char* name : {"out", "out/", "out/.", "./out//"}) {
    write_output(folder / name, name);
    EXPECT_EQ(read_file(folder / "out/a.txt"), name);
  }
}

TEST(OutputFolder, RefusesWhatIsNotItsOwn) {
  const TemporaryFolder folder;
  make_folder(folder / "foreign");
  put(folder / "foreign/config.json", "{}");
  put(folder / "file", "x");
  fs::create_directory_symlink(folder / "foreign", folder / "link");
  EXPECT_NE(refusal_of(folder / "foreign").find("did not write"), std::string::npos);
  EXPECT_NE(refusal_of(folder / "foreign/").find("did not write"), std::string::npos);
  EXPECT_NE(refusal_of(folder / "link").find("foreign"), std::string::npos);
  EXPECT_NE(refusal_of(folder / "file").find("is a file"), std::string::npos);
  EXPECT_NE(refusal_of(folder.path()), "");
  EXPECT_NE(refusal_of("/"), "");
  EXPECT_EQ(read_file(folder / "foreign/config.json"), "{}");
  EXPECT_EQ(read_file(folder / "file"), "x");
}

TEST(OutputFolder, AFileThatCameIntoItIsNotLost) {
  const TemporaryFolder folder;
  write_output(folder / "out", "old");
  put(folder / "out/sub/notes.txt", "mine");
  EXPECT_NE(refusal_of(folder / "out").find("sub/notes.txt"), std::string::npos);
  EXPECT_EQ(read_file(folder / "out/a.txt"), "old");
  fs::remove(folder / "out/sub/notes.txt");
  EXPECT_EQ(refusal_of(folder / "out"), "");
}

TEST(OutputFolder, AForgedMarkerDoesNotMakeAFolderOurs) {
  const TemporaryFolder folder;
  make_folder(folder / "out");
  put(folder / "out/a.txt", "x");
  for (const char* marker : {"", "{", "[]", R"({"files": 3})", R"({"files": ["b.txt"]})",
                             R"({"files": ["a.txt"]})", R"({"made_by": "ingot", "kind": "other", "files": ["a.txt"]})"}) {
    put(folder / "out/.ingot", marker);
    EXPECT_NE(refusal_of(folder / "out"), "") << marker;
  }
}

TEST(OutputFolder, ALinkInsideIsRemovedAndNotFollowed) {
  const TemporaryFolder folder;
  make_folder(folder / "elsewhere");
  put(folder / "elsewhere/kept.txt", "kept");
  {
    OutputFolder output(folder / "out", "test");
    fs::create_directory_symlink(folder / "elsewhere", output.path() / "link");
    output.publish();
  }
  write_output(folder / "out", "new");
  EXPECT_EQ(read_file(folder / "elsewhere/kept.txt"), "kept");
}

TEST(OutputFolder, WithoutExchangeTheOldOneIsNeverLost) {
  const TemporaryFolder folder;
  ::setenv("INGOT_RENAME_EXCHANGE", "0", 1);
  write_output(folder / "out", "old");
  write_output(folder / "out", "new");
  ::unsetenv("INGOT_RENAME_EXCHANGE");
  EXPECT_EQ(read_file(folder / "out/a.txt"), "new");
  EXPECT_FALSE(fs::exists(previous_path(folder / "out")));
  fs::rename(folder / "out", previous_path(folder / "out"));  // killed between the two renames
  EXPECT_EQ(OutputFolder(folder / "out", "test").target(), plain_path(folder / "out"));
  EXPECT_EQ(read_file(folder / "out/a.txt"), "new");
}

}  // namespace
}  // namespace ingot
