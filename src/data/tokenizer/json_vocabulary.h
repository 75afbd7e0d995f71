#pragma once

#include "data/files/json_field.h"
#include "data/tokenizer/vocabulary.h"

namespace ingot::data {

/// The id of a piece. Throws DataError naming `owner` and the piece unless it is from 0 to kMaxTokenId - 1.
TokenId checked_id(int64_t id, std::string_view piece, const JsonField& owner);

/// Reads {"piece": id, ...}. Throws DataError for a bad id and for a piece or an id that comes twice.
void read_json_vocabulary(const JsonField& vocab, Vocabulary& vocabulary);

}  // namespace ingot::data
