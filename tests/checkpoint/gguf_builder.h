#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::checkpoint {

/// Puts a small GGUF file together, sound or not. Values of keys are given as bytes by the functions below.
class GgufBuilder {
 public:
  GgufBuilder& key(std::string_view name, const std::string& type_and_value);
  /// `dims` fastest first, as in the file.
  GgufBuilder& tensor(std::string_view name, std::vector<uint64_t> dims, uint32_t type, uint64_t offset);
  GgufBuilder& data(std::string bytes);
  GgufBuilder& version(uint32_t value);
  std::string bytes() const;

 private:
  uint32_t version_ = 3;
  uint64_t keys_ = 0, tensors_ = 0;
  std::string key_bytes_, tensor_bytes_, data_;
};

std::string gguf_string(std::string_view text);  // length and bytes
std::string gguf_text(std::string_view text);    // a value of type string
std::string gguf_u32(uint32_t value);
std::string gguf_f32(float value);
std::string gguf_bool(bool value);
std::string gguf_texts(const std::vector<std::string>& texts);
std::string gguf_i32s(const std::vector<int32_t>& values);

/// A llama of one layer, 4 heads of 8, two of them for keys, with a byte-level vocabulary of four tokens and weights of
/// F32 zeros; tests break it.
GgufBuilder tiny_llama(std::string_view pre = "smollm");

}  // namespace ingot::checkpoint
