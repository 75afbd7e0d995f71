#include "launch/proof.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/sha256.h"

namespace ingot::launch {

std::string random_secret() {
  std::string bytes(32, '\0');
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw CommError(fmt::format("a token: the system gives no random bytes: {}", std::strerror(errno)));
  return hex_digits(bytes);
}

std::string guest_proof(const std::string& token, const std::string& host_nonce, const std::string& guest_nonce, const std::string& version) {
  return hmac_sha256_hex(token, fmt::format("guest\n{}\n{}\n{}", host_nonce, guest_nonce, version));
}

std::string host_proof(const std::string& token, const std::string& host_nonce, const std::string& guest_nonce) {
  return hmac_sha256_hex(token, fmt::format("host\n{}\n{}", host_nonce, guest_nonce));
}

bool is_same_proof(const std::string& found, const std::string& wanted) {
  if (found.size() != wanted.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < found.size(); ++i) difference |= static_cast<unsigned char>(found[i] ^ wanted[i]);
  return difference == 0;
}

std::string program_version() { return INGOT_VERSION; }

}  // namespace ingot::launch
