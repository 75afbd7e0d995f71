#include "data/files/csv_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace ingot::data {

/// The next byte, or -1 at the end of the file.
int CsvRows::peek() {
  if (window_.view().empty() && !window_.grow("line", line_)) return -1;
  return static_cast<unsigned char>(window_.view()[0]);
}

/// Moves bytes into `field` up to the first of `stops` or the end of the file.
void CsvRows::append_run(std::string& field, const char* stops) {
  while (peek() >= 0) {
    const std::string_view view = window_.view();
    const size_t length = std::min(view.find_first_of(stops), view.size());
    row_bytes_ += length;
    if (row_bytes_ > kMaxRecordBytes)
      throw DataError(
          fmt::format("{}: row at line {} is longer than {} MiB", file(), row_line_, kMaxRecordBytes >> 20));
    field.append(view.substr(0, length));
    window_.drop(length);
    if (length < view.size()) return;
  }
}

/// The text of a quoted field, from behind its opening quote to behind its closing one.
void CsvRows::read_quoted(std::string& field) {
  for (;;) {
    const size_t before = field.size();
    append_run(field, "\"");
    line_ += static_cast<uint64_t>(std::count(field.begin() + static_cast<std::ptrdiff_t>(before), field.end(), '\n'));
    if (peek() < 0) throw DataError(fmt::format("{}: ends inside quotes, row at line {}", file(), row_line_));
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
  ++line_;
  return End::kRow;
}

CsvRows::End CsvRows::read_field(std::string& field) {
  const char stops[] = {separator_, '\n', '\0'};
  const bool quoted = peek() == '"';
  if (quoted) {
    window_.drop(1);
    read_quoted(field);
  }
  std::string rest;
  append_run(quoted ? rest : field, stops);
  std::string& last = quoted ? rest : field;
  const End end = field_end();
  if (end != End::kField && last.ends_with('\r')) last.pop_back();
  bad_quote_ |= !rest.empty();
  return end;
}

bool CsvRows::next(std::vector<std::string>& fields) {
  for (;;) {
    if (peek() < 0) return false;
    fields.clear();
    bad_quote_ = false;
    row_line_ = line_;
    row_bytes_ = 0;
    bool quoted_first = peek() == '"';
    do fields.emplace_back();
    while (read_field(fields.back()) == End::kField);
    if (fields.size() > 1 || !fields[0].empty() || quoted_first) return true;
  }
}

}  // namespace ingot::data
