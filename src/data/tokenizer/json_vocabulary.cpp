#include "data/tokenizer/json_vocabulary.h"

#include <fmt/format.h>

namespace ingot::data {

TokenId checked_id(int64_t id, std::string_view piece, const JsonField& owner) {
  if (id < 0 || id >= kMaxTokenId)
    owner.refuse(fmt::format("id of \"{}\": found {}, wanted 0 to {}", piece, id, kMaxTokenId - 1));
  return static_cast<TokenId>(id);
}

void read_json_vocabulary(const JsonField& vocab, Vocabulary& vocabulary) {
  const auto object = vocab.object();
  vocabulary.reserve(object.size(), object.size() * 8);
  for (const auto [piece, value] : object) {
    int64_t id = -1;
    if (value.get_int64().get(id) != simdjson::SUCCESS) vocab.refuse(fmt::format("id of \"{}\" is no integer", piece));
    if (!vocabulary.insert(piece, checked_id(id, piece, vocab)))
      vocab.refuse(fmt::format("\"{}\" or its id {} comes twice", piece, id));
  }
}

}  // namespace ingot::data
