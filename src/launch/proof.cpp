#include "launch/proof.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/sha256.h"

namespace ingot::launch {
namespace {

constexpr size_t kBlock = 64;  // bytes that SHA-256 takes at once

std::string sha256_bytes(const std::string& text) {
  Sha256 sum;
  sum.add(text.data(), text.size());
  const std::string digits = sum.hex();
  std::string bytes;
  for (size_t i = 0; i < digits.size(); i += 2) bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return bytes;
}

std::string hex_of(const std::string& bytes) {
  std::string digits;
  for (const unsigned char byte : bytes) digits += fmt::format("{:02x}", byte);
  return digits;
}

}  // namespace

std::string random_secret() {
  std::string bytes(32, '\0');
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw CommError(fmt::format("a token: the system gives no random bytes: {}", std::strerror(errno)));
  return hex_of(bytes);
}

std::string hmac(const std::string& key, const std::string& text) {
  std::string padded = key.size() > kBlock ? sha256_bytes(key) : key;
  padded.resize(kBlock, '\0');
  std::string inner = padded, outer = padded;
  for (char& byte : inner) byte ^= 0x36;
  for (char& byte : outer) byte ^= 0x5c;
  return hex_of(sha256_bytes(outer + sha256_bytes(inner + text)));
}

std::string guest_proof(const std::string& token, const std::string& host_nonce, const std::string& guest_nonce, const std::string& version) {
  return hmac(token, fmt::format("guest\n{}\n{}\n{}", host_nonce, guest_nonce, version));
}

std::string host_proof(const std::string& token, const std::string& host_nonce, const std::string& guest_nonce) {
  return hmac(token, fmt::format("host\n{}\n{}", host_nonce, guest_nonce));
}

bool is_same_proof(const std::string& found, const std::string& wanted) {
  if (found.size() != wanted.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < found.size(); ++i) difference |= static_cast<unsigned char>(found[i] ^ wanted[i]);
  return difference == 0;
}

std::string program_version() { return INGOT_VERSION; }

}  // namespace ingot::launch
