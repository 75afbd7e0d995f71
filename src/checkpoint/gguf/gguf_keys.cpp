#include "checkpoint/gguf/gguf_keys.h"

#include <fmt/format.h>

#include "core/error.h"

namespace ingot::checkpoint {

void GgufKeys::fail(const std::string& key, const std::string& problem) const {
  throw DataError(fmt::format("{}: key {}: {}", path().string(), key, problem));
}

template <class Value>
const Value* GgufKeys::find(const std::string& key, const char* wanted) const {
  const auto found = file_.values().find(key);
  if (found == file_.values().end()) return nullptr;
  const auto* value = std::get_if<Value>(&found->second);
  if (!value) fail(key, fmt::format("of another kind, wanted {}", wanted));
  return value;
}

template <class Value>
const Value& GgufKeys::get(const std::string& key, const char* wanted) const {
  const auto* value = find<Value>(key, wanted);
  if (!value) fail(key, fmt::format("is missing, wanted {}", wanted));
  return *value;
}

std::optional<int64_t> GgufKeys::find_integer(const std::string& key) const {
  const auto found = file_.values().find(key);
  if (found == file_.values().end()) return std::nullopt;
  int64_t value = -1;
  if (const auto* plain = std::get_if<uint64_t>(&found->second); plain && *plain <= INT32_MAX)
    value = static_cast<int64_t>(*plain);
  if (const auto* with_sign = std::get_if<int64_t>(&found->second)) value = *with_sign;
  if (value < 0 || value > INT32_MAX) fail(key, "wanted an integer from 0 to 2^31-1");
  return value;
}

int64_t GgufKeys::integer(const std::string& key) const {
  const auto value = find_integer(key);
  if (!value) fail(key, "is missing, wanted an integer");
  return *value;
}

std::optional<double> GgufKeys::find_number(const std::string& key) const {
  const auto* value = find<double>(key, "a floating-point number");
  return value ? std::optional(*value) : std::nullopt;
}

double GgufKeys::number(const std::string& key) const { return get<double>(key, "a floating-point number"); }

std::optional<bool> GgufKeys::find_flag(const std::string& key) const {
  const auto* value = find<bool>(key, "a truth value");
  return value ? std::optional(*value) : std::nullopt;
}

const std::string* GgufKeys::find_text(const std::string& key) const { return find<std::string>(key, "a string"); }
const std::string& GgufKeys::text(const std::string& key) const { return get<std::string>(key, "a string"); }

const std::vector<std::string>& GgufKeys::texts(const std::string& key) const {
  return get<std::vector<std::string>>(key, "an array of strings");
}

const std::vector<int64_t>* GgufKeys::find_integers(const std::string& key) const {
  return find<std::vector<int64_t>>(key, "an array of integers");
}

const std::vector<double>& GgufKeys::numbers(const std::string& key) const {
  return get<std::vector<double>>(key, "an array of floating-point numbers");
}

}  // namespace ingot::checkpoint
