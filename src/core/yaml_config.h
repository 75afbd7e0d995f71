#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "core/problems.h"

namespace ingot {

/// A list of prose: a comma separates nothing.
struct Texts : std::vector<std::string> {
  using std::vector<std::string>::vector;
};

/// A flat, strict YAML configuration: `key: scalar`, `key: [list]`, and `key: {mapping}` for the few keys that are one.
/// Each `read` names a known key and leaves the default where the file is silent; `finish` reports every unknown key with
/// the nearest known one, every value of the wrong type and every further problem, at once.
class YamlConfig {
 public:
  /// Reads a file, then applies overrides of the form "key=value" (`--set`), in order. Throws ConfigError when the file
  /// cannot be read, is not YAML or not a flat mapping.
  YamlConfig(const std::filesystem::path& file, const std::vector<std::string>& overrides);
  /// The same from text; `source` stands for the file in messages.
  static YamlConfig from_text(const std::string& text, const std::string& source);

  void read(const std::string& key, std::string& value);
  void read(const std::string& key, std::filesystem::path& value);
  void read(const std::string& key, int64_t& value);
  void read(const std::string& key, uint64_t& value);
  void read(const std::string& key, double& value);
  void read(const std::string& key, std::optional<double>& value);
  void read(const std::string& key, bool& value);
  /// A list, or a scalar with commas: "a,b".
  void read(const std::string& key, std::vector<std::string>& value);
  void read(const std::string& key, std::vector<double>& value);
  /// A list, or one text alone.
  void read(const std::string& key, Texts& value);
  /// A mapping, also as JSON in a text: {"a": "x", "b": {"c": "y"}} is read as a: x, b.c: y.
  void read(const std::string& key, std::map<std::string, std::string>& value);

  /// Takes what is given under `alias` for `key`. Reports both given in one place; of the file and `--set` the latter counts.
  void rename(const std::string& alias, const std::string& key);
  bool contains(const std::string& key) const { return entries_.contains(key); }
  const std::string& source() const { return source_; }
  Problems& problems() { return problems_; }
  /// Every key read so far with the value in effect, a line each: YAML that says the same as the file and its overrides.
  std::string in_effect() const;
  /// For keys that have no place beside others, read before: reports each that is given, with `why`, and keeps all of them
  /// out of in_effect().
  void refuse(const std::vector<std::string>& keys, const std::string& why);
  /// Throws ConfigError listing all problems found so far, unknown keys among them.
  void finish();

 private:
  struct Entry {
    std::vector<std::string> items;  // one for a scalar
    bool is_list = false, is_map = false;
    std::map<std::string, std::string> fields;  // of a mapping
    std::string where;               // "line 3" or "--set"
  };
  explicit YamlConfig(std::string source) : source_(std::move(source)) {}
  void parse(const std::string& text, const std::string& where);
  const Entry* find(const std::string& key);
  const Entry* scalar(const std::string& key);
  const Entry* list(const std::string& key);
  void wrong_type(const std::string& key, const Entry& entry, const std::string& wanted);
  void note(const std::string& key, const Json& value);

  std::string source_;
  std::map<std::string, Entry> entries_;
  std::vector<std::string> known_;
  std::vector<std::pair<std::string, Json>> in_effect_;  // key and value, in the order of reading
  Problems problems_;
};

}  // namespace ingot
