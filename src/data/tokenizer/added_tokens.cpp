#include "data/tokenizer/added_tokens.h"

#include "data/tokenizer/utf8.h"

namespace ingot::data {
namespace {

bool word_before(std::string_view text, size_t at) {
  return at > 0 && is_word_character(utf8_code_point(text.data() + last_character(text.substr(0, at))));
}

bool word_at(std::string_view text, size_t at) {
  return at < text.size() && is_word_character(utf8_code_point(text.data() + at));
}

size_t skip_space_back(std::string_view text, size_t at, size_t floor) {
  while (at > floor) {
    const size_t last = last_character(text.substr(0, at));
    if (last < floor || !is_white_space(utf8_code_point(text.data() + last))) break;
    at = last;
  }
  return at;
}

size_t skip_space(std::string_view text, size_t at) {
  while (at < text.size() && is_white_space(utf8_code_point(text.data() + at))) at += utf8_length(text[at]);
  return at;
}

}  // namespace

void AddedTokens::add(AddedToken token, const std::string& content) {
  if (content.empty()) return;
  tree_.insert(content, static_cast<int32_t>(tokens_.size()));
  tokens_.push_back(std::move(token));
}

void AddedTokens::split(std::string_view text, const Sinks& sinks) const {
  size_t done = 0, from = 0;
  while (const auto match = tree_.find(text, from)) {
    const AddedToken& token = tokens_[static_cast<size_t>(match->value)];
    size_t begin = match->begin, end = match->begin + match->length;
    from = end;
    if (sinks.plain_special && token.special) continue;
    if (token.single_word && (word_before(text, begin) || word_at(text, end))) continue;
    if (token.lstrip) begin = skip_space_back(text, begin, done);
    if (token.rstrip) end = skip_space(text, end);
    if (begin > done) sinks.on_text(text.substr(done, begin - done));
    sinks.on_token(token.id);
    done = end;
  }
  if (done < text.size()) sinks.on_text(text.substr(done));
}

}  // namespace ingot::data
