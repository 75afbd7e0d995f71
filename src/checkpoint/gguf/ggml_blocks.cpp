#include "checkpoint/gguf/ggml_blocks.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstring>

namespace ingot::checkpoint {
namespace {

uint16_t u16_at(const uint8_t* in) { return static_cast<uint16_t>(in[0] | in[1] << 8); }
uint32_t u32_at(const uint8_t* in) { return u16_at(in) | static_cast<uint32_t>(u16_at(in + 2)) << 16; }

float half_at(const uint8_t* in) {
  const uint32_t half = u16_at(in), sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, mantissa = half & 1023;
  if (exponent == 0) {  // zero and subnormals: mantissa * 2^-24 is exact
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

void decode_f32(const uint8_t* in, float* out) { *out = std::bit_cast<float>(u32_at(in)); }
void decode_f16(const uint8_t* in, float* out) { *out = half_at(in); }
void decode_bf16(const uint8_t* in, float* out) { *out = std::bit_cast<float>(uint32_t{u16_at(in)} << 16); }

void decode_q8_0(const uint8_t* in, float* out) {
  const float scale = half_at(in);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(static_cast<int8_t>(in[2 + i])) * scale;
}

/// Low nibbles are elements 0 to 15 of a block, high nibbles 16 to 31.
int nibble(const uint8_t* quants, int i) { return i < 16 ? quants[i] & 15 : quants[i - 16] >> 4; }

/// The same with a fifth bit from `high`.
int five_bits(const uint8_t* quants, uint32_t high, int i) {
  return nibble(quants, i) | static_cast<int>(high >> i & 1) << 4;
}

void decode_q4_0(const uint8_t* in, float* out) {
  const float scale = half_at(in);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(nibble(in + 2, i) - 8);
}

void decode_q4_1(const uint8_t* in, float* out) {
  const float scale = half_at(in), minimum = half_at(in + 2);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(nibble(in + 4, i)) + minimum;
}

void decode_q5_0(const uint8_t* in, float* out) {
  const float scale = half_at(in);
  const uint32_t high = u32_at(in + 2);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(five_bits(in + 6, high, i) - 16);
}

void decode_q5_1(const uint8_t* in, float* out) {
  const float scale = half_at(in), minimum = half_at(in + 2);
  const uint32_t high = u32_at(in + 4);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(five_bits(in + 8, high, i)) + minimum;
}

struct ScaleAndMinimum {
  int scale, minimum;
};

/// The six-bit pair of sub-block `i` of 8 in the 12 bytes of Q4_K and Q5_K.
ScaleAndMinimum six_bits(const uint8_t* packed, int i) {
  if (i < 4) return {packed[i] & 63, packed[i + 4] & 63};
  const int low = packed[i + 4], scale_top = packed[i - 4] >> 6, minimum_top = packed[i] >> 6;
  return {(low & 15) | scale_top << 4, low >> 4 | minimum_top << 4};
}

/// Q4_K, and Q5_K when `high` holds the fifth bits: 8 sub-blocks of 32, two of them in each 32 bytes of `quants`.
void decode_k(const uint8_t* in, const uint8_t* high, const uint8_t* quants, float* out) {
  const float scale = half_at(in), minimum = half_at(in + 2);
  for (int sub = 0; sub < 8; ++sub) {
    const auto six = six_bits(in + 4, sub);
    const float sub_scale = scale * static_cast<float>(six.scale);
    const float sub_minimum = minimum * static_cast<float>(six.minimum);
    for (int i = 0; i < 32; ++i) {
      const int four = quants[sub / 2 * 32 + i] >> (sub % 2 * 4) & 15;
      const int quant = high ? four | (high[i] >> sub & 1) << 4 : four;
      out[sub * 32 + i] = sub_scale * static_cast<float>(quant) - sub_minimum;
    }
  }
}

void decode_q4_k(const uint8_t* in, float* out) { decode_k(in, nullptr, in + 16, out); }
void decode_q5_k(const uint8_t* in, float* out) { decode_k(in, in + 16, in + 48, out); }

/// 128 bytes of low nibbles, 64 of upper bit pairs, 16 signed scales of 16 elements each, one scale of all.
void decode_q6_k(const uint8_t* in, float* out) {
  const uint8_t *low = in, *high = in + 128, *scales = in + 192;
  const float scale = half_at(in + 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, row = i % 128 / 32, column = i % 32;  // a half is 4 rows of 32
    const int four = low[half * 64 + row % 2 * 32 + column] >> (row / 2 * 4) & 15;
    const int two = high[half * 32 + column] >> (row * 2) & 3;
    const float sub_scale = scale * static_cast<float>(static_cast<int8_t>(scales[i / 16]));
    out[i] = sub_scale * static_cast<float>((four | two << 4) - 32);
  }
}

constexpr std::array kTypes{GgmlType{0, "F32", 1, 4, decode_f32},         GgmlType{1, "F16", 1, 2, decode_f16},
                            GgmlType{2, "Q4_0", 32, 18, decode_q4_0},     GgmlType{3, "Q4_1", 32, 20, decode_q4_1},
                            GgmlType{6, "Q5_0", 32, 22, decode_q5_0},     GgmlType{7, "Q5_1", 32, 24, decode_q5_1},
                            GgmlType{8, "Q8_0", 32, 34, decode_q8_0},     GgmlType{12, "Q4_K", 256, 144, decode_q4_k},
                            GgmlType{13, "Q5_K", 256, 176, decode_q5_k},  GgmlType{14, "Q6_K", 256, 210, decode_q6_k},
                            GgmlType{30, "BF16", 1, 2, decode_bf16}};

}  // namespace

const GgmlType* find_ggml_type(uint32_t number) {
  for (const auto& type : kTypes)
    if (type.number == number) return &type;
  return nullptr;
}

std::string known_ggml_types() {
  std::string text;
  for (const auto& type : kTypes) text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", type.name, type.number);
  return text;
}

void decode_blocks(const GgmlType& type, std::span<const std::byte> in, std::span<float> out) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(in.data());
  const uint64_t blocks = in.size() / type.bytes;
  for (uint64_t i = 0; i < blocks; ++i) type.decode(bytes + i * type.bytes, out.data() + i * type.block);
}

}  // namespace ingot::checkpoint
