#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace ingot::checkpoint {

/// Writes a plain file.
void put_file(const std::filesystem::path& file, std::string_view bytes);

/// A safetensors file of this header and data.
std::string safetensors_bytes(std::string_view header, std::string_view data);

/// `value` as little-endian bytes.
std::string little_endian(uint64_t value, int bytes = 8);

/// Expects `action` to throw a DataError of one line of at most 500 bytes that holds `part`.
void expect_data_error(const std::function<void()>& action, std::string_view part);

/// The file of that name in the folder of real files beside the project, or nothing where that folder is absent.
std::filesystem::path shared_file(std::string_view name);

}  // namespace ingot::checkpoint
