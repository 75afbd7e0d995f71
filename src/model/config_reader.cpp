#include "model/config_reader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace ingot::model {
namespace {

/// An integer that fits, also when the file writes it as 4096.0.
std::optional<int64_t> integer_in(const Json& value, int64_t min, int64_t max) {
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  if (!value.is_number()) return std::nullopt;
  const auto real = value.get<double>();
  if (value.is_number_float() && !(std::abs(real) < 0x1p53 && std::trunc(real) == real)) return std::nullopt;
  const auto number = value.get<int64_t>();
  return number >= min && number <= max ? std::optional(number) : std::nullopt;
}

/// The value as JSON, cut to what fits a message.
std::string shown(const Json& value) {
  auto text = value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 60) + "...";
  return text;
}

}  // namespace

ConfigReader::ConfigReader(const Json& config, std::string prefix) : config_(&config), prefix_(std::move(prefix)) {}

const Json* ConfigReader::find(const std::string& key) const {
  if (!config_->is_object()) return nullptr;
  const auto found = config_->find(key);
  return found == config_->end() || found->is_null() ? nullptr : &*found;
}

bool ConfigReader::states(const std::string& key) const { return config_->is_object() && config_->contains(key); }

bool ConfigReader::states_null(const std::vector<std::string>& names) const {
  return std::any_of(names.begin(), names.end(), [&](const auto& name) { return states(name) && !contains(name); });
}

std::string ConfigReader::first_of(const std::vector<std::string>& names) const {
  const auto found = std::find_if(names.begin(), names.end(), [&](const auto& name) { return contains(name); });
  return found == names.end() ? names.at(0) : *found;
}

void ConfigReader::wrong(const std::string& key, const Json& value, const std::string& wanted) {
  problems_.expect(false, prefix_ + key, shown(value), wanted);
}

void ConfigReader::read(const std::string& key, int64_t& value, int64_t min, int64_t max) {
  const auto* found = find(key);
  if (found == nullptr) return;
  if (const auto number = integer_in(*found, min, max))
    value = *number;
  else
    wrong(key, *found, fmt::format("an integer from {} to {}", min, max));
}

void ConfigReader::read(const std::string& key, double& value) {
  const auto* found = find(key);
  if (found == nullptr) return;
  if (found->is_number() && found->get<double>() > 0 && std::isfinite(found->get<double>()))
    value = found->get<double>();
  else
    wrong(key, *found, "a number above 0");
}

void ConfigReader::read_not_negative(const std::string& key, double& value) {
  const auto* found = find(key);
  if (found == nullptr) return;
  if (found->is_number() && found->get<double>() >= 0 && std::isfinite(found->get<double>()))
    value = found->get<double>();
  else
    wrong(key, *found, "a number of 0 or more");
}

void ConfigReader::read(const std::string& key, bool& value) {
  const auto* found = find(key);
  if (found == nullptr) return;
  if (found->is_boolean())
    value = found->get<bool>();
  else
    wrong(key, *found, "true or false");
}

void ConfigReader::read(const std::string& key, std::string& value) {
  const auto* found = find(key);
  if (found == nullptr) return;
  if (found->is_string())
    value = found->get<std::string>();
  else
    wrong(key, *found, "a text");
}

void ConfigReader::read(const std::string& key, std::vector<int64_t>& values) {
  const auto* found = find(key);
  if (found == nullptr) return;
  std::vector<int64_t> numbers;
  for (const auto& item : found->is_array() ? *found : Json::array({*found})) {
    const auto number = integer_in(item, -1, INT64_MAX);
    if (!number) return wrong(key, *found, "a token id or a list of them");
    if (*number >= 0) numbers.push_back(*number);
  }
  values = std::move(numbers);
}

const Json* ConfigReader::object(const std::string& key) {
  const auto* found = find(key);
  if (found == nullptr || found->is_object()) return found;
  wrong(key, *found, "an object");
  return nullptr;
}

void ConfigReader::require(const std::string& key) {
  if (!contains(key)) problems_.add(prefix_ + key + ": absent, wanted a value");
}

void ConfigReader::add_problems_of(const ConfigReader& part) {
  for (const auto& problem : part.problems_.list()) problems_.add(problem);
}

void ConfigReader::finish(const std::string& source) const {
  if (!problems_.list().empty()) throw ConfigError(fmt::format("{}: {}", source, fmt::join(problems_.list(), "; ")));
}

}  // namespace ingot::model
