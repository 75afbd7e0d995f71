#include "data/files/csv_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace ingot::data {

/// The next byte, or -1 at the end of the file.
int CsvRows::peek() {
  if (window_.view().empty() && !window_.grow()) return -1;
  return static_cast<unsigned char>(window_.view()[0]);
}

/// Moves bytes into `field` up to the first of `stops` or the end of the file; those of a row that is too long are dropped.
void CsvRows::append_run(std::string& field, std::string_view stops) {
  while (peek() >= 0) {
    const std::string_view view = window_.view();
    const size_t length = std::min(view.find_first_of(stops), view.size());
    row_bytes_ += length;
    if (row_bytes_ > kMaxRecordBytes) problem_ = kTooLong;
    const bool kept = row_bytes_ <= kMaxRecordBytes;
    if (kept) field.append(view.substr(0, length));
    else field = std::string();
    const bool ended = length < view.size();
    window_.drop(length);
    if (ended) return;
  }
}

/// The text of a quoted field, from behind its opening quote to behind its closing one.
void CsvRows::read_quoted(std::string& field) {
  for (;;) {
    const size_t before = field.size();
    append_run(field, "\"");
    const auto from = field.begin() + static_cast<std::ptrdiff_t>(std::min(before, field.size()));
    line_ += static_cast<uint64_t>(std::count(from, field.end(), '\n'));
    if (peek() < 0) {
      if (problem_.empty()) problem_ = "the file ends inside quotes";
      return;
    }
    window_.drop(1);
    if (peek() != '"') return;
    field += '"';
    window_.drop(1);
  }
}

/// Takes what ends a field: a separator, a line end or the end of the file.
CsvRows::End CsvRows::field_end() {
  const int c = peek();
  if (c < 0) return End::kFile;
  window_.drop(1);
  if (c == separator_) return End::kField;
  if (c == '\r' && peek() == '\n') window_.drop(1);
  ++line_;
  return End::kRow;
}

CsvRows::End CsvRows::read_field(std::string& field) {
  const char stops[] = {separator_, '\n', '\r'};
  const std::string_view ends(stops, sizeof stops);
  if (peek() != '"') {
    append_run(field, ends);
    return field_end();
  }
  window_.drop(1);
  read_quoted(field);
  std::string rest;
  append_run(rest, ends);
  if (!rest.empty() && problem_.empty()) problem_ = "text behind a closing quote";
  return field_end();
}

bool CsvRows::next(std::vector<std::string>& fields) {
  for (;;) {
    if (peek() < 0) return false;
    fields.clear();
    problem_.clear();
    row_line_ = line_;
    row_bytes_ = 0;
    const bool quoted_first = peek() == '"';
    do fields.emplace_back();
    while (read_field(fields.back()) == End::kField);
    const bool blank = fields.size() == 1 && fields[0].empty() && !quoted_first && problem_.empty();
    if (blank) continue;
    if (problem_.empty() && num_columns_ > 0 && fields.size() != num_columns_)
      problem_ = fields.size() < num_columns_ ? "fewer fields than the first row has" : "more fields than the first row has";
    return true;
  }
}

std::vector<std::string> CsvRows::read_names() {
  std::vector<std::string> names;
  next(names);
  if (!problem_.empty()) throw DataError(fmt::format("{}: first row: {}", file(), problem_));
  for (size_t i = 0; i < names.size(); ++i) {
    const auto first = std::find(names.begin(), names.end(), names[i]);
    const auto earlier = static_cast<size_t>(first - names.begin());
    if (earlier < i && !names[i].empty())
      throw DataError(fmt::format("{}: columns {} and {} are both called {}, wanted every name once", file(), earlier + 1, i + 1,
                                  names[i]));
  }
  num_columns_ = names.size();
  return names;
}

}  // namespace ingot::data
