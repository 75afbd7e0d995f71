#include "data/chat/chat_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/printable.h"
#include "data/tokenizer/utf8.h"

namespace ingot::data {
namespace {

size_t common_length(const std::vector<TokenId>& a, const std::vector<TokenId>& b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

bool contains(const std::vector<TokenId>& ids, TokenId id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }

}  // namespace

ChatWriter::ChatWriter(const Tokenizer& tokenizer, std::string_view template_name,
                       std::vector<std::string> control_tokens)
    : tokenizer_(tokenizer), template_name_(template_name), control_tokens_(std::move(control_tokens)) {
  for (const auto& token : control_tokens_)
    if (const auto id = tokenizer_.token_id(token)) control_ids_.push_back(*id);
}

TokenId ChatWriter::need(std::optional<TokenId> id, const std::string& token) const {
  if (id) return *id;
  throw ConfigError(fmt::format("template {}: the tokenizer has no token {}: choose a template that fits the model, or "
                                "tokenizer files that have it", template_name_, token));
}

void ChatWriter::special(const std::string& token, float weight) {
  append(need(tokenizer_.token_id(token), in_quotes(token)), token, weight);
}

void ChatWriter::special_or_text(const std::string& token, float weight) {
  if (const auto id = tokenizer_.token_id(token)) append(*id, token, weight);
  else text(token, weight);
}

void ChatWriter::bos(float weight) {
  const TokenId id = need(tokenizer_.bos_id(), "bos");
  append(id, tokenizer_.decode(std::span(&id, 1)), weight);
}

void ChatWriter::eos(float weight) {
  const TokenId id = need(tokenizer_.eos_id(), "eos");
  append(id, tokenizer_.decode(std::span(&id, 1)), weight);
}

void ChatWriter::text(std::string_view text, float weight) {
  if (text.empty()) return;
  if (run_.empty() || turn_begins_ || run_.back().weight != weight) run_.push_back({"", weight, turn_begins_});
  run_.back().text += text;
  turn_begins_ = false;
}

void ChatWriter::next_label_is_eos(float weight) {
  need(tokenizer_.eos_id(), "eos");
  flush();
  eos_weight_ = weight;
}

void ChatWriter::append(TokenId id, const std::string& text, float weight) {
  flush();
  if (turn_begins_) chat_.turn_starts.push_back(chat_.ids.size());
  turn_begins_ = false;
  chat_.text += text;
  push(id, weight);
}

void ChatWriter::push(TokenId id, float weight) {
  chat_.ids.push_back(id);
  const float eos_weight = std::exchange(eos_weight_, 0.0F);
  const float here = eos_weight != 0 ? eos_weight : weight;
  if (here == kSilent) chat_.silent.push_back(chat_.loss_mask.size());
  chat_.loss_mask.push_back(here == 0 || here == kSilent ? kNoLabel : eos_weight != 0 ? kEosLabel : kLabel);
  chat_.weights.push_back(here == kSilent ? 0 : here);
}

void ChatWriter::flush() {
  std::string text;
  for (const auto& piece : run_) text += piece.text;
  const auto ids = encode(text);
  size_t end_of_prefix = 0, token = 0;
  for (const auto& piece : run_) {
    end_of_prefix += piece.text.size();
    const size_t end = end_of_prefix == text.size()
                           ? ids.size()
                           : std::max(token, common_length(encode(std::string_view(text).substr(0, end_of_prefix)), ids));
    if (piece.opens_turn) chat_.turn_starts.push_back(chat_.ids.size());
    for (; token < end; ++token) push(ids[token], piece.weight);
  }
  chat_.text += text;
  run_.clear();
}

RenderedChat ChatWriter::take() {
  flush();
  return std::move(chat_);
}

std::vector<TokenId> ChatWriter::encode(std::string_view text) const {
  if (text.empty()) return {};
  auto ids = tokenizer_.encode_ordinary(text);
  if (std::none_of(ids.begin(), ids.end(), [&](TokenId id) { return contains(control_ids_, id); })) return ids;
  ids.clear();  // a tokenizer that knows no ordinary text for some of its tokens: their texts are taken apart
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = end_of_part(text, begin);
    const auto part = tokenizer_.encode_ordinary(text.substr(begin, end - begin));
    ids.insert(ids.end(), part.begin(), part.end());
    begin = end;
  }
  return ids;
}

/// Behind the first character of the control token that comes next.
size_t ChatWriter::end_of_part(std::string_view text, size_t begin) const {
  size_t next = text.size();
  for (const auto& token : control_tokens_) next = std::min(next, text.find(token, begin));
  return next == text.size() ? next : std::min(text.size(), next + utf8_length(text[next]));
}

}  // namespace ingot::data
