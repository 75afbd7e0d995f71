#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/added_tokens.h"

namespace ingot::data {

/// What the authors' own tokenizer class knows and no file beside the model says.
struct ClassTokens {
  std::vector<AddedToken> appended;  // special tokens, without ids: they follow the file's own
  std::vector<std::string> prefix;   // tokens that stand before every text
  std::optional<std::string> eos;    // where the files name none
  bool found_in_text = true;         // false: encode() takes the text of a special token as text
};

/// The entry of a class by its name in tokenizer_config.json (QWenTokenizer, ChatGLMTokenizer, ChatGLM4Tokenizer); an
/// empty one for a class whose files say all.
const ClassTokens& tokens_of_class(std::string_view tokenizer_class);

}  // namespace ingot::data
