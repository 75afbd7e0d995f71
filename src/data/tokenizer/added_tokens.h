#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/function_ref.h"
#include "data/tokenizer/prefix_tree.h"
#include "data/tokenizer/tokenizer.h"

namespace ingot::data {

/// A token that is found in text as it stands, before anything else is done with the text.
struct AddedToken {
  std::string content;
  TokenId id = -1;
  bool single_word = false;             // only where no word character touches it
  bool lstrip = false, rstrip = false;  // takes the white space before, behind it along
  bool normalized = false;              // is looked for in normalized text
  bool special = false;                 // decode() can leave it out
};

/// A set of added tokens that is looked for together: at every place the longest, from left to right.
class AddedTokens {
 public:
  /// `content` is what is looked for in place of the token's own content. Empty contents are never found.
  void add(AddedToken token, const std::string& content);
  void add(const AddedToken& token) { add(token, token.content); }

  /// Calls `on_token` and `on_text` for the parts of `text` in order; empty texts are left out. With `plain_special`
  /// special tokens are text.
  struct Sinks {
    FunctionRef<void(TokenId)> on_token;
    FunctionRef<void(std::string_view)> on_text;
    bool plain_special = false;
  };
  void split(std::string_view text, const Sinks& sinks) const;

 private:
  PrefixTree tree_;  // to indexes of tokens_
  std::vector<AddedToken> tokens_;
};

}  // namespace ingot::data
