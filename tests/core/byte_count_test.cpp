#include "core/byte_count.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace ingot {
namespace {

TEST(ParseBytes, ReadsUnitsOf1024And1000) {
  EXPECT_EQ(parse_bytes("64GiB", "--memory"), int64_t{64} << 30);
  EXPECT_EQ(parse_bytes("64G", "--memory"), int64_t{64} << 30);
  EXPECT_EQ(parse_bytes("1.5 TiB", "--memory"), int64_t{3} << 39);
  EXPECT_EQ(parse_bytes("500MB", "--memory"), 500'000'000);
  EXPECT_EQ(parse_bytes("1024", "--memory"), 1024);
  EXPECT_EQ(parse_bytes("7 B", "--memory"), 7);
}

TEST(ParseBytes, RefusesWhatIsNoSize) {
  for (const char* text : {"", "GiB", "64 apples", "-1GiB", "0", "nan", "1e30", "64GiBs", "inf"})
    EXPECT_THROW(parse_bytes(text, "--memory"), ConfigError) << text;
}

}  // namespace
}  // namespace ingot
