#include "checkpoint/gguf/gguf_vocabulary.h"

#include <fmt/format.h>

#include <string_view>
#include <unordered_set>

#include "core/json.h"
#include "core/printable.h"
#include "core/utf8.h"

namespace ingot::checkpoint {
namespace {

const std::string kPrefix = "tokenizer.ggml.";

void check_tokens(const GgufKeys& keys, const std::vector<std::string>& tokens, int64_t vocab) {
  if (static_cast<int64_t>(tokens.size()) != vocab)
    keys.fail(kPrefix + "tokens",
              fmt::format("{} tokens, wanted {} as rows of token_embd.weight", tokens.size(), vocab));
  std::unordered_set<std::string_view> seen;
  for (const auto& token : tokens) {
    if (!is_utf8(token)) keys.fail(kPrefix + "tokens", in_quotes(token) + " is not UTF-8");
    if (!seen.insert(token).second) keys.fail(kPrefix + "tokens", in_quotes(token) + " stands twice");
  }
}

std::vector<TokenKind> read_kinds(const GgufKeys& keys, size_t count) {
  const auto* numbers = keys.find_integers(kPrefix + "token_type");
  std::vector<TokenKind> kinds(count, TokenKind::kNormal);
  if (!numbers) return kinds;
  if (numbers->size() != count)
    keys.fail(kPrefix + "token_type", fmt::format("{} entries, wanted {}", numbers->size(), count));
  for (size_t i = 0; i < count; ++i) {
    const int64_t number = (*numbers)[i];
    if (number < 1 || number > 6) keys.fail(kPrefix + "token_type", fmt::format("{}, wanted 1 to 6", number));
    kinds[i] = static_cast<TokenKind>(number);
  }
  return kinds;
}

std::optional<int64_t> read_id(const GgufKeys& keys, const char* name, int64_t vocab) {
  const auto id = keys.find_integer(kPrefix + name);
  if (id && *id >= vocab) keys.fail(kPrefix + name, fmt::format("{}, wanted less than {}", *id, vocab));
  return id;
}

}  // namespace

GgufVocabulary read_gguf_vocabulary(const GgufKeys& keys, int64_t vocab) {
  GgufVocabulary found;
  found.model = keys.text(kPrefix + "model");
  if (found.model != "gpt2" && found.model != "llama")
    keys.fail(kPrefix + "model", in_quotes(found.model) + ", wanted gpt2 or llama");
  found.tokens = keys.texts(kPrefix + "tokens");
  check_tokens(keys, found.tokens, vocab);
  found.kinds = read_kinds(keys, found.tokens.size());
  found.bos = read_id(keys, "bos_token_id", vocab);
  found.eos = read_id(keys, "eos_token_id", vocab);
  found.unknown = read_id(keys, "unknown_token_id", vocab);
  found.padding = read_id(keys, "padding_token_id", vocab);
  const std::string* pre = keys.find_text(kPrefix + "pre");
  const bool usually_bos = found.model == "llama" || (pre && *pre == "llama-bpe");
  found.add_bos = keys.find_flag(kPrefix + "add_bos_token").value_or(usually_bos && found.bos);
  found.add_eos = keys.find_flag(kPrefix + "add_eos_token").value_or(false);
  if (found.add_bos && !found.bos) keys.fail(kPrefix + "bos_token_id", "is missing, but add_bos_token is true");
  if (found.add_eos && !found.eos) keys.fail(kPrefix + "eos_token_id", "is missing, but add_eos_token is true");
  if (const std::string* text = keys.find_text("tokenizer.chat_template")) found.chat_template = *text;
  if (!is_utf8(found.chat_template)) keys.fail("tokenizer.chat_template", "is not UTF-8");
  return found;
}

}  // namespace ingot::checkpoint
