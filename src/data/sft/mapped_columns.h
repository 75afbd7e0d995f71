#pragma once

#include <set>
#include <string>
#include <vector>

#include "data/sft/map_keys.h"

namespace ingot::data {

/// Which columns the records of a data set have: a name in map_keys that none of them has is a mistake, and what it should have named
/// would be left out of the talk without a word.
class MappedColumns {
 public:
  explicit MappedColumns(const MapKeys& keys);
  /// Takes the columns of one record.
  void see(const std::vector<std::string>& columns);
  void see(const MappedColumns& others);
  std::vector<std::string> seen() const { return {found_.begin(), found_.end()}; }
  /// Throws ConfigError listing every name given that no record has, with the nearest column. `records` says whose they are.
  void refuse_absent(const std::string& records) const;

 private:
  MapKeys::Names wanted_;  // key to column, but those that are called as usual
  std::set<std::string> found_;
};

}  // namespace ingot::data
