#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace ingot::data {

/// The fixed part of Megatron's .idx; all numbers little-endian and unaligned. Source: FORMATS §4.
///   0 magic, 9 u64 version, 17 u8 type code, 18 u64 n sequences, 26 u64 m document borders,
///   34 i32[n] tokens per sequence, then i64[n] byte offsets in the .bin, then i64[m] borders as sequence numbers
inline constexpr std::string_view kIndexMagic{"MMIDIDX\0\0", 9};
inline constexpr uint64_t kIndexVersion = 1;
inline constexpr uint64_t kIndexHeaderBytes = 34;
inline constexpr uint8_t kCodeU8 = 1, kCodeI8 = 2, kCodeI16 = 3, kCodeI32 = 4, kCodeI64 = 5, kCodeU16 = 8;

/// Vocabularies below this size are stored as u16.
inline constexpr int64_t kNarrowVocabulary = 65500;

inline std::filesystem::path bin_path(std::filesystem::path prefix) { return prefix += ".bin"; }
inline std::filesystem::path idx_path(std::filesystem::path prefix) { return prefix += ".idx"; }
inline std::filesystem::path ledger_path(std::filesystem::path prefix) { return prefix += ".ledger.json"; }

}  // namespace ingot::data
