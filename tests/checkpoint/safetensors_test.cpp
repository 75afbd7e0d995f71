#include "checkpoint/safetensors.h"

#include <algorithm>
#include <random>

#include "checkpoint/support.h"
#include "core/error.h"
#include "core/file.h"
#include "core/sha256.h"
#include "temporary_folder.h"

namespace ingot::checkpoint {
namespace {

constexpr std::string_view kFloat = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";

TensorSource source(const std::string& name, DType dtype, Shape shape, std::string bytes) {
  return {name, dtype, std::move(shape), [bytes](const ByteSink& sink) { sink(bytes); }};
}

/// Opens a file of these bytes.
void open_safetensors(const std::string& bytes) {
  const TemporaryFolder folder;
  put_file(folder / "x.safetensors", bytes);
  SafetensorsFile opened(folder / "x.safetensors");
}

void expect_file_refused(const std::string& bytes, std::string_view part) {
  expect_data_error([&] { open_safetensors(bytes); }, part);
}

void expect_header_refused(std::string_view header, std::string_view data, std::string_view part) {
  expect_file_refused(safetensors_bytes(header, data), part);
}

std::string golden_bytes() {
  const std::string header =
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("b":{"dtype":"BF16","shape":[1,3],"data_offsets":[8,14]}})";
  const std::string data("\x00\x00\x80\x3f\x00\x00\x00\xc0\x80\x3f\x00\x40\xc0\xbf", 14);
  return little_endian(112) + header + std::string(112 - header.size(), ' ') + data;
}

TEST(Safetensors, WritesTheGoldenFile) {
  const TemporaryFolder folder;
  const std::string golden = golden_bytes();
  const std::string hash = write_safetensors(folder / "g.safetensors",
                                             {source("b", DType::kBF16, {1, 3}, golden.substr(128)),
                                              source("a", DType::kF32, {2}, golden.substr(120, 8))},
                                             {});
  EXPECT_EQ(read_file(folder / "g.safetensors"), golden);
  EXPECT_EQ(hash, sha256_hex(std::as_bytes(std::span(golden))));
}

TEST(Safetensors, ReadsTheGoldenFile) {
  const TemporaryFolder folder;
  put_file(folder / "g.safetensors", golden_bytes());
  const SafetensorsFile file(folder / "g.safetensors");
  ASSERT_EQ(file.tensors().size(), 2u);
  const TensorEntry* b = file.find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->dtype, DType::kBF16);
  EXPECT_EQ(b->shape, (Shape{1, 3}));
  EXPECT_EQ(file.bytes(*b).size(), 6u);
  EXPECT_EQ(std::to_integer<int>(file.bytes(*b)[5]), 0xbf);
  EXPECT_EQ(file.find("c"), nullptr);
}

TEST(Safetensors, KeepsScalarsEmptyTensorsAndMetadata) {
  const TemporaryFolder folder;
  write_safetensors(folder / "s.safetensors",
                    {source("scalar", DType::kI64, {}, std::string(8, '\1')), source("empty", DType::kF16, {3, 0}, "")},
                    {{"format", "pt"}, {"note", "a \"quoted\"\nline"}});
  const SafetensorsFile file(folder / "s.safetensors");
  EXPECT_TRUE(file.find("scalar")->shape.empty());
  EXPECT_TRUE(file.bytes(*file.find("empty")).empty());
  EXPECT_EQ(file.metadata().at("note"), "a \"quoted\"\nline");
}

TEST(Safetensors, AcceptsAHeaderWithoutTensors) { EXPECT_NO_THROW(open_safetensors(safetensors_bytes("{}", ""))); }

TEST(Safetensors, PassesOverUnknownFields) {
  EXPECT_NO_THROW(open_safetensors(safetensors_bytes(
      R"({"a":{"dtype":"U8","x":[1,"y"],"shape":[1],"z":null,"data_offsets":[0,1]}})", "1")));
}

TEST(Safetensors, RefusesEveryTruncation) {
  const std::string whole = golden_bytes();
  for (size_t size = 0; size < whole.size(); ++size) expect_file_refused(whole.substr(0, size), "x.safetensors");
}

TEST(Safetensors, RefusesHeaderLengthsBeyondFileAndLimit) {
  expect_file_refused(little_endian(uint64_t{1} << 63) + "{}", "header length 9223372036854775808");
  expect_file_refused(little_endian(UINT64_MAX) + "{}", "header length");
  expect_file_refused(little_endian(3) + "{}", "header length 3");
}

TEST(Safetensors, RefusesAHeaderOver100MB) {
  const TemporaryFolder folder;
  put_file(folder / "x.safetensors", little_endian(100'000'001) + "{}");
  std::filesystem::resize_file(folder / "x.safetensors", 100'000'009);
  expect_data_error([&] { SafetensorsFile(folder / "x.safetensors"); }, "at most 100000000");
}

TEST(Safetensors, RefusesOverlapHoleAndTrailingBytes) {
  const auto two = [](const char* second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":)" +
           std::string(second) + "}}";
  };
  expect_header_refused(two("[2,6]"), "123456", "wanted to begin at 4");
  expect_header_refused(two("[5,9]"), "123456789", "wanted to begin at 4");
  expect_header_refused(two("[4,8]"), "123456789", "9 bytes of data, wanted 8");
  expect_header_refused(two("[4,0]"), "12345678", "wanted to begin at");
}

TEST(Safetensors, RefusesSizesAtOddsWithTheShape) {
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "1234", "wanted 8");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", "1234",
                        "too large");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,4]}})", "1234",
                        "too large");
  expect_header_refused(R"({"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,4]}})", "1234",
                        "passes 2^63-1");
}

TEST(Safetensors, RefusesWrongKindsOfValues) {
  expect_header_refused(R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", "1234", "dtype \"F31\"");
  expect_header_refused(R"({"a":{"dtype":4,"shape":[1],"data_offsets":[0,4]}})", "1234", "\"dtype\" is a number");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "1234", "negative");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", "1234", "no 64-bit integer");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", "1234", "\"shape\" is a number");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", "1234", "more than 2");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[1]}})", "", "wanted the fields");
  expect_header_refused(R"({"a":[1]})", "", "entry is an array");
  expect_header_refused(R"({"__metadata__":{"format":1}})", "", "\"format\" is a number");
  expect_header_refused("[]", "", "does not begin with");
}

TEST(Safetensors, RefusesDuplicates) {
  expect_header_refused(
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
      "12", "tensor \"a\": stands twice");
  expect_header_refused(R"({"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", "1", "twice");
  expect_header_refused(R"({"__metadata__":{"k":"1","k":"2"}})", "", "twice");
}

TEST(Safetensors, RefusesTextThatIsNotJson) {
  expect_header_refused("{\"a\xff\":{}}", "", "not valid JSON");
  expect_header_refused("{\"a\":", "", "not valid JSON");
  expect_header_refused("{} x", "", "not valid JSON");
  expect_header_refused("{\"" + std::string(100'000, 'n'), "", "not valid JSON");
}

TEST(Safetensors, RefusesDeepNesting) {
  std::string deep = R"({"a":{"x":)";
  for (int i = 0; i < 1'000'000; ++i) deep += '[';
  expect_header_refused(deep, "", "an array inside an array");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  expect_header_refused(objects, "", "an object inside");
}

TEST(Safetensors, KeepsHostileNamesOnOneLine) {
  expect_header_refused(R"({"a\nb":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "1234", R"("a\nb")");
}

TEST(Safetensors, RandomBytesNeverCrash) {
  std::mt19937_64 random(11);
  const std::string whole = safetensors_bytes(kFloat, "1234");
  int refused = 0;
  for (int i = 0; i < 500; ++i) {
    std::string bytes = whole;
    for (int flips = 0; flips < 2; ++flips) bytes[random() % bytes.size()] = static_cast<char>(random());
    try {
      open_safetensors(bytes);
    } catch (const DataError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 300);
}

TEST(Safetensors, LeavesNothingWhenASourceFails) {
  const TemporaryFolder folder;
  std::vector<TensorSource> sources{{"a", DType::kU8, {1}, [](const ByteSink&) { throw DataError("gone"); }}};
  EXPECT_THROW(write_safetensors(folder / "f.safetensors", sources, {}), DataError);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace ingot::checkpoint
