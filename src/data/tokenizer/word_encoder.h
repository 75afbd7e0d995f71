#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace ingot::data {

/// The model of a tokenizer: the ids of one part of a text that pre-tokenizing left whole.
class WordEncoder {
 public:
  virtual ~WordEncoder() = default;
  /// Appends the ids of valid UTF-8.
  virtual void encode(std::string_view word, std::vector<TokenId>& ids) const = 0;
};

}  // namespace ingot::data
