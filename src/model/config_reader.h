#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/problems.h"

namespace ingot::model {

/// Reads typed values of a config.json, which may be hostile. A key that is absent or null leaves the default; a value
/// of the wrong type or outside its range becomes a problem. All problems are reported together.
class ConfigReader {
 public:
  /// `config` must outlive the reader; `prefix` stands before keys in messages ("rope_scaling.").
  explicit ConfigReader(const Json& config, std::string prefix = "");
  bool contains(const std::string& key) const { return find(key) != nullptr; }
  /// True when the key is there, null too.
  bool states(const std::string& key) const;
  /// True when one of the keys is there and holds null.
  bool states_null(const std::vector<std::string>& names) const;
  /// The first of several names for one thing that the file contains, or the first of all.
  std::string first_of(const std::vector<std::string>& names) const;
  void read(const std::string& key, int64_t& value, int64_t min, int64_t max);
  /// Reads a number above zero.
  void read(const std::string& key, double& value);
  /// Reads a number that may be 0.
  void read_not_negative(const std::string& key, double& value);
  void read(const std::string& key, bool& value);
  void read(const std::string& key, std::string& value);
  /// One token id or a list of them; -1 is none.
  void read(const std::string& key, std::vector<int64_t>& values);
  /// An object, or null when the key is absent or holds something else (a problem).
  const Json* object(const std::string& key);
  /// A problem when the key is absent.
  void require(const std::string& key);

  Problems& problems() { return problems_; }
  /// Takes the problems of a reader of a part.
  void add_problems_of(const ConfigReader& part);
  /// Throws one ConfigError of one line that lists all problems, when there are any.
  void finish(const std::string& source) const;

 private:
  const Json* find(const std::string& key) const;  // null when absent or null
  void wrong(const std::string& key, const Json& value, const std::string& wanted);
  const Json* config_;
  std::string prefix_;
  Problems problems_;
};

}  // namespace ingot::model
