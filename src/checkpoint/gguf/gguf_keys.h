#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/gguf/gguf.h"

namespace ingot::checkpoint {

/// The keys of a GGUF file by kind. Every function throws DataError naming the file and the key when the value is of
/// another kind, and those that do not return an optional also when the key is absent.
class GgufKeys {
 public:
  explicit GgufKeys(const GgufFile& file) : file_(file) {}
  const std::filesystem::path& path() const { return file_.path(); }

  /// Integers from 0 to 2^31-1.
  std::optional<int64_t> find_integer(const std::string& key) const;
  int64_t integer(const std::string& key) const;
  std::optional<double> find_number(const std::string& key) const;
  double number(const std::string& key) const;
  std::optional<bool> find_flag(const std::string& key) const;
  const std::string* find_text(const std::string& key) const;  // null when absent
  const std::string& text(const std::string& key) const;
  const std::vector<std::string>& texts(const std::string& key) const;
  const std::vector<int64_t>* find_integers(const std::string& key) const;
  const std::vector<double>& numbers(const std::string& key) const;
  bool contains(const std::string& key) const { return file_.values().contains(key); }

  /// Throws DataError: the file, the key, the problem.
  [[noreturn]] void fail(const std::string& key, const std::string& problem) const;

 private:
  template <class Value>
  const Value* find(const std::string& key, const char* wanted) const;
  template <class Value>
  const Value& get(const std::string& key, const char* wanted) const;
  const GgufFile& file_;
};

}  // namespace ingot::checkpoint
