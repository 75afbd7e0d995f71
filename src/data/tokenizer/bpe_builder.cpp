#include "data/tokenizer/bpe_builder.h"

#include <fmt/format.h>

#include "core/error.h"
#include "data/tokenizer/byte_alphabet.h"

namespace ingot::data {

MergeCollector::MergeCollector(const Vocabulary& vocabulary, std::string source, size_t expected_merges)
    : vocabulary_(vocabulary), source_(std::move(source)), table_(expected_merges) {}

TokenId MergeCollector::id_of(std::string_view piece) const {
  if (const auto id = vocabulary_.find(piece)) return *id;
  throw DataError(fmt::format("{}: merge {} names \"{}\", which is not in the vocabulary", source_, next_rank_, piece));
}

void MergeCollector::add(std::string_view left, std::string_view right) {
  joined_.assign(left).append(right);
  table_.insert(id_of(left), id_of(right), {.rank = next_rank_, .merged = id_of(joined_)});
  ++next_rank_;
}

void MergeCollector::add_line(std::string_view line) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos)
    throw DataError(fmt::format("{}: merge {}: found \"{}\", wanted two pieces with a space between", source_,
                                next_rank_, line));
  add(line.substr(0, space), line.substr(space + 1));
}

std::unique_ptr<WordEncoder> make_byte_encoder(const Vocabulary& spelled, MergeTable merges, BpeOptions options) {
  Vocabulary raw;
  raw.reserve(static_cast<size_t>(spelled.size()), static_cast<size_t>(spelled.size()) * 8);
  for (TokenId id = 0; id < spelled.size(); ++id) {
    const std::string_view piece = spelled.piece(id).value_or("");
    if (!piece.empty() && is_spelled(piece)) raw.insert(spelled_bytes(piece), id);
  }
  return std::make_unique<ByteBpe>(std::move(raw), std::move(merges), options);
}

}  // namespace ingot::data
