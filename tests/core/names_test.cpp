#include <gtest/gtest.h>

#include "core/dtype.h"
#include "core/error.h"
#include "core/json.h"
#include "core/progress.h"
#include "core/shape.h"

namespace ingot {
namespace {

TEST(DTypeNames, GoThereAndBack) {
  for (const auto dtype : {DType::kBool, DType::kU8, DType::kF16, DType::kBF16, DType::kF32, DType::kI64, DType::kF64}) {
    EXPECT_EQ(dtype_from_safetensors(safetensors_name(dtype)), dtype);
    EXPECT_EQ(dtype_from_config(config_name(dtype)), dtype);
  }
  EXPECT_EQ(dtype_from_safetensors("F33"), std::nullopt);
  EXPECT_EQ(dtype_from_config(""), std::nullopt);
  EXPECT_EQ(size_of(DType::kBF16), 2);
}

TEST(NumElements, RefusesNegativeDimsAndOverflow) {
  EXPECT_EQ(num_elements({}), 1);
  EXPECT_EQ(num_elements({2, 3}), 6);
  EXPECT_EQ(num_elements({2, -1}), std::nullopt);
  EXPECT_EQ(num_elements({int64_t{1} << 40, int64_t{1} << 40}), std::nullopt);
}

TEST(ParseJson, NamesWhereItFails) {
  EXPECT_EQ(parse_json("{\"b\": 1, \"a\": 2}", "x").begin().key(), "b");
  EXPECT_THROW(parse_json("{", "x"), DataError);
  EXPECT_THROW(parse_json(std::string(100, '[') + std::string(100, ']'), "x"), DataError);
}

TEST(Formats, ReadLikeAPersonWouldWrite) {
  EXPECT_EQ(format_duration(3723.2), "1:02:03");
  EXPECT_EQ(format_duration(5), "0:05");
  EXPECT_EQ(format_count(1536, "B"), "1.50 KiB");
  EXPECT_EQ(format_count(12300, "tokens"), "12.30k tokens");
  EXPECT_EQ(format_count(7, "rows"), "7 rows");
}

}  // namespace
}  // namespace ingot
