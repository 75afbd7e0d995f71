#include <fmt/format.h>

#include "core/error.h"
#include "data/tokenizer/tokenizer_files.h"

namespace ingot::data {
namespace {
constexpr size_t kMaxBytes = size_t{1} << 28;
}

void expect_ids(const Tokenizer& tokenizer, std::span<const TokenId> ids, const std::string& source) {
  for (const TokenId id : ids)
    if (id < 0 || id >= tokenizer.vocab_size())
      throw DataError(fmt::format("{}: holds the id {}, wanted ids of the tokenizer, 0 to {}", source, id, tokenizer.vocab_size() - 1));
}

std::unique_ptr<Tokenizer> load_tokenizer(const FolderFiles& folder) {
  TokenizerConfig config = read_tokenizer_config(folder);
  if (folder.has("tokenizer.json")) return read_tokenizer_json(folder.text("tokenizer.json"), config);
  if (folder.has("qwen.tiktoken")) {
    config.tokenizer_class = "QWenTokenizer";  // no other class has a file of that name
    return read_tiktoken(folder.text("qwen.tiktoken", kMaxBytes), config);
  }
  if (folder.has("tokenizer.model")) {
    const NamedText model = folder.text("tokenizer.model", kMaxBytes);
    return is_tiktoken(model.text) ? read_tiktoken(model, config) : read_sentencepiece(model, config);
  }
  if (folder.has("vocab.json") && folder.has("merges.txt"))
    return read_vocab_and_merges(folder.text("vocab.json"), folder.text("merges.txt", kMaxBytes), config);
  throw DataError(fmt::format("{}: no tokenizer: wanted tokenizer.json, tokenizer.model, qwen.tiktoken, or vocab.json and "
                              "merges.txt", folder.path().string()));
}

}  // namespace ingot::data
