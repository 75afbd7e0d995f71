#include "data/sft/mapped_columns.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/problems.h"

namespace ingot::data {
namespace {

constexpr size_t kMaxColumns = 200;  // beyond them names are made up record by record
constexpr size_t kColumnsShown = 8;

/// A column under its usual name may be absent: a configuration that spells the names out is for any such data set.
const MapKeys::Names kUsual{{"prompt", "instruction"}, {"query", "input"},   {"response", "output"}, {"history", "history"},
                            {"system", "system"},      {"tools", "tools"},   {"messages", "messages"}};

}  // namespace

MappedColumns::MappedColumns(const MapKeys& keys) {
  for (const auto& [key, column] : keys.given())
    if (const auto usual = kUsual.find(key); usual != kUsual.end() && usual->second != column) wanted_[key] = column;
}

void MappedColumns::see(const std::vector<std::string>& columns) {
  for (const auto& column : columns) {
    const bool is_wanted = std::any_of(wanted_.begin(), wanted_.end(), [&](const auto& wanted) { return wanted.second == column; });
    if (is_wanted || found_.size() < kMaxColumns) found_.insert(column);
  }
}

void MappedColumns::see(const MappedColumns& others) { found_.insert(others.found_.begin(), others.found_.end()); }

void MappedColumns::refuse_absent(const std::string& records) const {
  if (found_.empty()) return;  // no record is an object
  std::vector<std::string> columns(found_.begin(), found_.end()), shown = columns;
  if (shown.size() > kColumnsShown) shown.resize(kColumnsShown), shown.push_back("...");
  Problems problems;
  for (const auto& [key, column] : wanted_) {
    if (found_.contains(column)) continue;
    const std::string near = nearest_word(column, columns);
    problems.add(fmt::format("{}: found {}, in no record of {}; wanted a column: {}{}", key, column, records, fmt::join(shown, ", "),
                             near.empty() ? "" : fmt::format("; did you mean {}?", near)));
  }
  problems.throw_if_any("map_keys");
}

}  // namespace ingot::data
