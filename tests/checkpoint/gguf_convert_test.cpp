#include "checkpoint/gguf/gguf_convert.h"

#include <random>

#include "checkpoint/gguf/rope_factors.h"
#include "checkpoint/gguf_builder.h"
#include "checkpoint/hf_folder.h"
#include "checkpoint/support.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "temporary_folder.h"

namespace ingot::checkpoint {
namespace {
namespace fs = std::filesystem;

/// Converts a file of these bytes to `folder`/out.
void convert(const TemporaryFolder& folder, const std::string& bytes) {
  put_file(folder / "x.gguf", bytes);
  convert_gguf(folder / "x.gguf", folder / "out", DType::kF32);
}

void expect_model_refused(const GgufBuilder& file, std::string_view part) {
  const TemporaryFolder folder;
  expect_data_error([&] { convert(folder, file.bytes()); }, part);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1) << "something is left";
}

/// `bytes` with the first `from` replaced by `to`, which is as long.
std::string replaced(std::string bytes, const std::string& from, const std::string& to) {
  return bytes.replace(bytes.find(from), to.size(), to);
}

void expect_bytes_refused(const std::string& bytes, std::string_view part) {
  const TemporaryFolder folder;
  expect_data_error([&] { convert(folder, bytes); }, part);
}

TEST(GgufConvert, WritesAWholeFolder) {
  const TemporaryFolder folder;
  convert(folder, tiny_llama().bytes());
  for (const char* name : {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
                           "tokenizer_config.json", "special_tokens_map.json"})
    EXPECT_TRUE(fs::exists(folder / "out" / name)) << name;
  const Json config = read_json(folder / "out/config.json");
  EXPECT_EQ(config["head_dim"], 8);
  EXPECT_EQ(config["rms_norm_eps"], 1e-5);
  EXPECT_EQ(config["torch_dtype"], "float32");
  EXPECT_EQ(config["tie_word_embeddings"], true);
  EXPECT_EQ(HfWeights(folder / "out").tensors().size(), 11u);
}

TEST(GgufConvert, FillsAnEmptyFolderReplacesItsOwnAndRefusesAForeignOne) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "out");
  convert(folder, tiny_llama().bytes());
  EXPECT_TRUE(fs::exists(folder / "out/config.json"));
  convert(folder, tiny_llama().bytes());
  put_file(folder / "out/notes.txt", "mine");
  EXPECT_THROW(convert(folder, tiny_llama().bytes()), ConfigError);
  EXPECT_TRUE(fs::exists(folder / "out/notes.txt"));
}

TEST(GgufConvert, NamesAnUnknownPreTokenizer) {
  expect_model_refused(tiny_llama("klingon"), R"(tokenizer.ggml.pre: "klingon", wanted one of smollm, qwen2, llama-bpe)");
}

TEST(GgufConvert, RefusesOtherArchitectures) {
  expect_bytes_refused(replaced(tiny_llama().bytes(), gguf_text("llama"), gguf_text("gemma")),
                       "\"gemma\", wanted llama or qwen2");
}

TEST(GgufConvert, RefusesTensorsTooManyTooFewOrMisshapen) {
  const std::string whole = tiny_llama().bytes();
  expect_bytes_refused(replaced(whole, "blk.0.ffn_up", "blk.0.ffn_xx"), "tensor blk.0.ffn_up.weight is missing");
  expect_model_refused(tiny_llama().tensor("blk.0.attn_q.bias", {32}, 0, 37760).data(std::string(40000, '\0')),
                 "tensor \"blk.0.attn_q.bias\" has no place");
  expect_bytes_refused(replaced(whole, gguf_u32(64), gguf_u32(96)), "ffn_gate.weight is [64, 32], wanted [96, 32]");
}

TEST(GgufConvert, RefusesKeysThatAreMissingOrImpossible) {
  const std::string whole = tiny_llama().bytes();
  expect_bytes_refused(replaced(whole, "llama.block_count", "llama.blick_count"), "llama.block_count: is missing");
  const auto with_blocks = [&](uint32_t count) {
    return replaced(whole, "block_count" + gguf_u32(1), "block_count" + gguf_u32(count));
  };
  expect_bytes_refused(with_blocks(0), "0, wanted at least 1");
  expect_bytes_refused(with_blocks(1 << 30), "1073741824, but the tensors are enough for 1");
  expect_bytes_refused(with_blocks(1u << 31), "wanted an integer from 0 to 2^31-1");
  expect_bytes_refused(replaced(whole, "head_count_kv" + gguf_u32(2), "head_count_kv" + gguf_u32(3)), "a divisor of 4");
}

TEST(GgufConvert, RefusesAVocabularyThatDoesNotFit) {
  const std::string whole = tiny_llama().bytes();
  expect_bytes_refused(replaced(whole, gguf_string("b"), gguf_string("a")), "\"a\" stands twice");
  expect_bytes_refused(replaced(whole, gguf_string("b"), gguf_string("\xff")), "is not UTF-8");
  expect_bytes_refused(replaced(whole, gguf_string("a b"), gguf_string("b a")), "\"b a\" does not join");
  const std::string eos = "eos_token_id";
  expect_bytes_refused(replaced(whole, eos + gguf_u32(0), eos + gguf_u32(4)), "wanted less than 4");
}

TEST(GgufConvert, RandomDamageNeverCrashesOrLeavesAnything) {
  std::mt19937_64 random(6);
  const std::string whole = tiny_llama().bytes();
  const TemporaryFolder folder;
  for (int i = 0; i < 300; ++i) {
    std::string bytes = whole;
    bytes[random() % (whole.find("output_norm") + 40)] ^= static_cast<char>(1 << random() % 8);
    try {
      convert(folder, bytes);
      fs::remove_all(folder / "out");
    } catch (const DataError&) {
      EXPECT_FALSE(fs::exists(folder / "out"));
    }
  }
}

TEST(RopeFactors, FindsTheLlama3Form) {
  std::vector<float> factors;  // Llama 3.2: theta 500000, head 64, factor 32
  for (int i = 0; i < 32; ++i) {
    const double wavelength = 2 * M_PI * std::pow(500000.0, i / 32.0), smooth = (8192 / wavelength - 1) / 3;
    factors.push_back(static_cast<float>(wavelength < 2048   ? 1
                                         : wavelength > 8192 ? 32
                                                             : 1 / ((1 - smooth) / 32 + smooth)));
  }
  const Json scaling = rope_scaling_of_factors(factors, 500000);
  EXPECT_EQ(scaling["rope_type"], "llama3");
  EXPECT_EQ(scaling["factor"], 32.0);
  EXPECT_TRUE(rope_scaling_of_factors(std::vector<float>(32, 1), 500000).is_null());
  factors[16] *= 1.01f;
  expect_data_error([&] { rope_scaling_of_factors(factors, 500000); }, "not the llama3 scaling");
}

}  // namespace
}  // namespace ingot::checkpoint
