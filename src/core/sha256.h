#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ingot {

/// SHA-256 of a stream of bytes (OpenSSL, which uses the CPU's SHA instructions).
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(const void* data, size_t size);
  /// 64 lower-case hexadecimal digits of all bytes added; the object is spent.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::span<const std::byte> bytes);

/// Two lower-case digits for each byte.
std::string hex_digits(std::string_view bytes);

/// HMAC-SHA256 (RFC 2104) in lower-case hexadecimal digits.
std::string hmac_sha256_hex(const std::string& key, const std::string& text);

}  // namespace ingot
