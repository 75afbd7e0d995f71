#include "launch/message.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

#include "core/error.h"

namespace ingot::launch {
namespace {

constexpr size_t kNumberBytes = 4;

void put_number(std::string& out, size_t number) {
  for (size_t i = 0; i < kNumberBytes; ++i) out += static_cast<char>(number >> (8 * i) & 0xff);
}

/// `bytes` has at least four.
size_t number_at(std::string_view bytes) {
  size_t number = 0;
  for (size_t i = 0; i < kNumberBytes; ++i) number |= static_cast<size_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return number;
}

}  // namespace

int64_t number_in(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) throw CommError(fmt::format("a message: found {}, wanted a number", text));
  return value;
}

std::string pack(const Message& message) {
  std::string body, whole;
  for (const auto& text : message) put_number(body, text.size()), body += text;
  put_number(whole, body.size());
  return whole + body;
}

std::optional<Message> Inbox::take() {
  if (bytes_.size() < kNumberBytes) return {};
  const size_t size = number_at(bytes_);
  if (size > most_bytes_) throw CommError(fmt::format("a message: found {} bytes, wanted at most {}", size, most_bytes_));
  if (bytes_.size() < kNumberBytes + size) return {};
  Message message;
  for (std::string_view left = std::string_view(bytes_).substr(kNumberBytes, size); !left.empty();) {
    if (left.size() < kNumberBytes || number_at(left) > left.size() - kNumberBytes) throw CommError("a message: a text goes beyond its end");
    message.emplace_back(left.substr(kNumberBytes, number_at(left)));
    left.remove_prefix(kNumberBytes + message.back().size());
  }
  bytes_.erase(0, kNumberBytes + size);
  return message;
}

}  // namespace ingot::launch
