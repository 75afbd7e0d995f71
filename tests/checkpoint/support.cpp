#include "checkpoint/support.h"

#include <fstream>

#include "core/error.h"
#include "places.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;

void put_file(const fs::path& file, std::string_view bytes) {
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string little_endian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

std::string safetensors_bytes(std::string_view header, std::string_view data) {
  return little_endian(header.size()) + std::string(header) + std::string(data);
}

void expect_data_error(const std::function<void()>& action, std::string_view part) {
  try {
    action();
    ADD_FAILURE() << "nothing thrown, wanted a DataError with \"" << part << "\"";
  } catch (const DataError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LE(message.size(), 500u) << message;
  }
}

fs::path shared_file(std::string_view name) {
  const fs::path file = shared_folder() / name;
  return fs::exists(file) ? file : fs::path();
}

}  // namespace ingot::checkpoint
