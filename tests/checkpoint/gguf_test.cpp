#include "checkpoint/gguf/gguf.h"

#include <random>

#include "checkpoint/gguf_builder.h"
#include "checkpoint/support.h"
#include "core/error.h"
#include "temporary_folder.h"

namespace ingot::checkpoint {
namespace {

void open_gguf(const std::string& bytes) {
  const TemporaryFolder folder;
  put_file(folder / "x.gguf", bytes);
  const GgufFile file(folder / "x.gguf");
  for (const auto& tensor : file.tensors()) file.dequantize(tensor);
}

void expect_gguf_refused(const std::string& bytes, std::string_view part) {
  expect_data_error([&] { open_gguf(bytes); }, part);
}

std::vector<std::byte> as_bytes(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

TEST(Gguf, ReadsKeysAndTensors) {
  const TemporaryFolder folder;
  put_file(folder / "x.gguf", GgufBuilder()
                                  .key("a.text", gguf_text("hello"))
                                  .key("a.number", gguf_u32(7))
                                  .tensor("w", {2, 3}, 0, 0)
                                  .data(std::string("\0\0\x80\x3f", 4) + std::string(20, '\0'))
                                  .bytes());
  const GgufFile file(folder / "x.gguf");
  EXPECT_EQ(std::get<std::string>(file.values().at("a.text")), "hello");
  EXPECT_EQ(std::get<uint64_t>(file.values().at("a.number")), 7u);
  ASSERT_EQ(file.tensors().size(), 1u);
  EXPECT_EQ(file.tensors()[0].shape, (Shape{3, 2}));
  EXPECT_EQ(file.dequantize(file.tensors()[0]), (std::vector<float>{1, 0, 0, 0, 0, 0}));
}

TEST(Gguf, DecodesHalfFloats) {
  const auto bytes = as_bytes({0x00, 0x3c, 0x01, 0x00, 0xff, 0x03, 0x00, 0xfc, 0x00, 0x80, 0xff, 0x7b});
  const auto values = dequantize_ggml(1, bytes, 6);
  EXPECT_EQ(values, (std::vector<float>{1, 0x1p-24f, 1023 * 0x1p-24f, -INFINITY, -0.0f, 65504}));
  EXPECT_TRUE(std::signbit(values[4]));
}

TEST(Gguf, DecodesQ4_1ByItsFormula) {
  auto block = as_bytes({0x00, 0x40, 0x00, 0x3c});  // scale 2, minimum 1
  for (int i = 0; i < 16; ++i) block.push_back(static_cast<std::byte>(i | (15 - i) << 4));
  const auto values = dequantize_ggml(3, block, 32);
  for (size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(values[i], 2.0f * static_cast<float>(i) + 1);
    EXPECT_EQ(values[16 + i], 2.0f * static_cast<float>(15 - i) + 1);
  }
}

TEST(Gguf, RefusesCountsThatAreNoWholeBlocks) {
  const std::vector<std::byte> block(34);
  EXPECT_EQ(dequantize_ggml(8, block, 32).size(), 32u);
  expect_data_error([&] { dequantize_ggml(8, block, 31); }, "31 elements of Q8_0 in 34 bytes");
  expect_data_error([&] { dequantize_ggml(8, block, 64); }, "64 elements");
  expect_data_error([&] { dequantize_ggml(8, block, uint64_t{1} << 62); }, "elements of Q8_0");
  expect_data_error([&] { dequantize_ggml(99, block, 32); }, "ggml type 99, wanted F32 (0)");
}

TEST(Gguf, RefusesEveryTruncation) {
  const std::string whole = tiny_llama().bytes();
  for (size_t size = 0; size < whole.size(); size += 1 + size / 40) expect_gguf_refused(whole.substr(0, size), "x.gguf");
}

TEST(Gguf, RefusesOtherFilesAndVersions) {
  expect_gguf_refused("PK\3\4 something", "not a GGUF file");
  expect_gguf_refused(GgufBuilder().version(1).bytes(), "GGUF version 1, wanted 2 or 3");
  expect_gguf_refused(GgufBuilder().version(0x03000000).bytes(), "GGUF version 50331648");
  EXPECT_NO_THROW(open_gguf(GgufBuilder().version(2).bytes()));
}

TEST(Gguf, RefusesHugeCounts) {
  const std::string start = "GGUF" + little_endian(3, 4);
  expect_gguf_refused(start + little_endian(UINT64_MAX) + little_endian(0), "18446744073709551615 tensors");
  expect_gguf_refused(start + little_endian(0) + little_endian(uint64_t{1} << 60), "keys, but the file has room for 0");
  expect_gguf_refused(GgufBuilder().key("k", little_endian(8, 4) + little_endian(uint64_t{1} << 62)).bytes(), "a string of");
  const std::string array = little_endian(9, 4) + little_endian(10, 4);
  expect_gguf_refused(GgufBuilder().key("k", array + little_endian(uint64_t{1} << 61)).bytes(), "array elements");
}

TEST(Gguf, RefusesNestedArraysAndUnknownTypes) {
  const std::string array = little_endian(9, 4), nested = array + array + little_endian(1);
  expect_gguf_refused(GgufBuilder().key("k", nested + nested).bytes(), "an array of arrays");
  expect_gguf_refused(GgufBuilder().key("k", array + little_endian(77, 4)).bytes(), "element type 77");
  expect_gguf_refused(GgufBuilder().key("k", little_endian(13, 4)).bytes(), "value type 13");
  expect_gguf_refused(GgufBuilder().key("k", little_endian(7, 4) + "\2").bytes(), "truth value 2");
  expect_gguf_refused(GgufBuilder().key("k", gguf_u32(1)).key("k", gguf_u32(2)).bytes(), "key \"k\" stands twice");
}

TEST(Gguf, RefusesTensorsThatDoNotFit) {
  const auto one = [](std::vector<uint64_t> dims, uint32_t type, uint64_t offset) {
    return GgufBuilder().tensor("w", std::move(dims), type, offset).data(std::string(64, '\0')).bytes();
  };
  EXPECT_NO_THROW(open_gguf(one({16}, 0, 0)));
  expect_gguf_refused(one({17}, 0, 0), "68 bytes at offset 0, but the data has 64 bytes");
  expect_gguf_refused(one({1}, 0, 64), "4 bytes at offset 64");
  expect_gguf_refused(one({1}, 0, uint64_t{1} << 63), "offset 9223372036854775808");
  expect_gguf_refused(one({1}, 0, 8), "wanted a multiple of 32");
  expect_gguf_refused(one({1}, 23, 0), "ggml type 23, wanted F32");
  expect_gguf_refused(one({33}, 8, 0), "rows of 33, wanted a multiple of 32");
  expect_gguf_refused(one({0}, 0, 0), "dim 0");
  expect_gguf_refused(one({UINT64_MAX}, 0, 0), "dim 18446744073709551615");
  expect_gguf_refused(one({uint64_t{1} << 40, uint64_t{1} << 40}, 0, 0), "too large");
  expect_gguf_refused(one({uint64_t{1} << 62}, 0, 0), "too large");
  expect_gguf_refused(one({1, 1, 1, 1, 1}, 0, 0), "5 dims");
}

TEST(Gguf, RefusesOverlapDoublesAndOddAlignments) {
  const std::string data(96, '\0');
  expect_gguf_refused(GgufBuilder().tensor("a", {16}, 0, 0).tensor("b", {8}, 0, 32).data(data).bytes(), "\"b\" overlaps");
  expect_gguf_refused(GgufBuilder().tensor("a", {8}, 0, 0).tensor("a", {8}, 0, 32).data(data).bytes(), "\"a\" stands twice");
  for (const uint32_t alignment : {0u, 3u, 1u << 31})
    expect_gguf_refused(GgufBuilder().key("general.alignment", gguf_u32(alignment)).bytes(), "wanted a power of two");
  expect_gguf_refused(GgufBuilder().key("general.alignment", gguf_text("32")).bytes(), "of another kind");
}

TEST(Gguf, RandomDamageNeverCrashes) {
  std::mt19937_64 random(5);
  const std::string whole = tiny_llama().bytes();
  const size_t header = whole.find("output_norm") + 40;
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = whole;
    for (int flips = 0; flips < 1 + i % 3; ++flips) bytes[random() % header] ^= static_cast<char>(1 << random() % 8);
    try {
      open_gguf(bytes);
    } catch (const DataError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 500);
  EXPECT_LT(refused, 2000);
}

}  // namespace
}  // namespace ingot::checkpoint
