#pragma once

#include <map>
#include <string>
#include <vector>

namespace ingot::data {

/// Names that a data set uses for its columns and tags in place of the usual ones. Source: CONTRACT §4.2, --map-keys.
class MapKeys {
 public:
  using Names = std::map<std::string, std::string>;
  MapKeys() = default;
  /// From "prompt", "tags.role_tag" ... to a name. Throws ConfigError listing every key that is none, with the nearest.
  explicit MapKeys(Names given);
  /// The name given for `key`, else `usual`.
  std::string name(const std::string& key, const std::string& usual) const;
  bool has(const std::string& key) const { return given_.contains(key); }
  /// True when one of the keys that only records of that kind have is given.
  bool names_alpaca() const;
  bool names_messages() const;
  const Names& given() const { return given_; }

 private:
  Names given_;
};

}  // namespace ingot::data
