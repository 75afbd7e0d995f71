#include <fmt/format.h>

#include <fstream>

#include "core/error.h"
#include "data/tokenizer/tokenizer_files.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

/// The beginning of a file, enough to tell its kind.
std::string first_bytes(const fs::path& file) {
  std::string bytes(4096, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(in.gcount()));
  return bytes;
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const fs::path& folder) {
  const fs::path json = folder / "tokenizer.json", model = folder / "tokenizer.model";
  const fs::path vocab = folder / "vocab.json", merges = folder / "merges.txt";
  const fs::path qwen = folder / "qwen.tiktoken";
  TokenizerConfig config = read_tokenizer_config(folder);
  if (fs::exists(json)) return read_tokenizer_json(json, config);
  if (fs::exists(qwen)) {
    config.tokenizer_class = "QWenTokenizer";  // no other class has a file of that name
    return read_tiktoken(qwen, config);
  }
  if (fs::exists(model))
    return is_tiktoken(first_bytes(model)) ? read_tiktoken(model, config) : read_sentencepiece(model, config);
  if (fs::exists(vocab) && fs::exists(merges)) return read_vocab_and_merges(vocab, merges, config);
  throw DataError(fmt::format("{}: no tokenizer: wanted tokenizer.json, tokenizer.model, qwen.tiktoken, or vocab.json and "
                              "merges.txt", folder.string()));
}

}  // namespace ingot::data
