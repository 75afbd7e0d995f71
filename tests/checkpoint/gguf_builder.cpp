#include "checkpoint/gguf_builder.h"

#include <bit>

#include "checkpoint/support.h"

namespace ingot::checkpoint {
namespace {

std::string typed(uint32_t type, const std::string& value) { return little_endian(type, 4) + value; }

std::string array(uint32_t element_type, uint64_t count, const std::string& elements) {
  return typed(9, little_endian(element_type, 4) + little_endian(count) + elements);
}

}  // namespace

GgufBuilder& GgufBuilder::key(std::string_view name, const std::string& type_and_value) {
  key_bytes_ += gguf_string(name) + type_and_value;
  ++keys_;
  return *this;
}

GgufBuilder& GgufBuilder::tensor(std::string_view name, std::vector<uint64_t> dims, uint32_t type, uint64_t offset) {
  tensor_bytes_ += gguf_string(name) + little_endian(dims.size(), 4);
  for (const uint64_t dim : dims) tensor_bytes_ += little_endian(dim);
  tensor_bytes_ += little_endian(type, 4) + little_endian(offset);
  ++tensors_;
  return *this;
}

GgufBuilder& GgufBuilder::data(std::string bytes) {
  data_ = std::move(bytes);
  return *this;
}

GgufBuilder& GgufBuilder::version(uint32_t value) {
  version_ = value;
  return *this;
}

std::string GgufBuilder::bytes() const {
  std::string header = "GGUF" + little_endian(version_, 4) + little_endian(tensors_) + little_endian(keys_);
  header += key_bytes_ + tensor_bytes_;
  header.resize((header.size() + 31) / 32 * 32, '\0');
  return header + data_;
}

std::string gguf_string(std::string_view text) { return little_endian(text.size()) + std::string(text); }
std::string gguf_text(std::string_view text) { return typed(8, gguf_string(text)); }
std::string gguf_u32(uint32_t value) { return typed(4, little_endian(value, 4)); }
std::string gguf_f32(float value) { return typed(6, little_endian(std::bit_cast<uint32_t>(value), 4)); }
std::string gguf_bool(bool value) { return typed(7, little_endian(value, 1)); }

std::string gguf_texts(const std::vector<std::string>& texts) {
  std::string elements;
  for (const auto& text : texts) elements += gguf_string(text);
  return array(8, texts.size(), elements);
}

std::string gguf_i32s(const std::vector<int32_t>& values) {
  std::string elements;
  for (const int32_t value : values) elements += little_endian(static_cast<uint32_t>(value), 4);
  return array(5, values.size(), elements);
}

GgufBuilder tiny_llama(std::string_view pre) {
  GgufBuilder file;
  file.key("general.architecture", gguf_text("llama"));
  file.key("llama.block_count", gguf_u32(1)).key("llama.context_length", gguf_u32(128));
  file.key("llama.embedding_length", gguf_u32(32)).key("llama.feed_forward_length", gguf_u32(64));
  file.key("llama.attention.head_count", gguf_u32(4)).key("llama.attention.head_count_kv", gguf_u32(2));
  file.key("llama.attention.layer_norm_rms_epsilon", gguf_f32(1e-5f));
  file.key("tokenizer.ggml.model", gguf_text("gpt2")).key("tokenizer.ggml.pre", gguf_text(pre));
  file.key("tokenizer.ggml.tokens", gguf_texts({"<|end|>", "a", "b", "ab"}));
  file.key("tokenizer.ggml.token_type", gguf_i32s({3, 1, 1, 1})).key("tokenizer.ggml.merges", gguf_texts({"a b"}));
  file.key("tokenizer.ggml.eos_token_id", gguf_u32(0));
  uint64_t offset = 0;
  const auto add = [&](const char* name, uint64_t columns, uint64_t rows) {
    file.tensor(name, rows ? std::vector{columns, rows} : std::vector{columns}, 0, offset);
    offset += columns * std::max<uint64_t>(rows, 1) * 4;
  };
  add("token_embd.weight", 32, 4);
  add("blk.0.attn_q.weight", 32, 32);
  add("blk.0.attn_k.weight", 32, 16);
  add("blk.0.attn_v.weight", 32, 16);
  add("blk.0.attn_output.weight", 32, 32);
  add("blk.0.ffn_gate.weight", 32, 64);
  add("blk.0.ffn_up.weight", 32, 64);
  add("blk.0.ffn_down.weight", 64, 32);
  add("blk.0.attn_norm.weight", 32, 0);
  add("blk.0.ffn_norm.weight", 32, 0);
  add("output_norm.weight", 32, 0);
  return file.data(std::string(offset, '\0'));
}

}  // namespace ingot::checkpoint
