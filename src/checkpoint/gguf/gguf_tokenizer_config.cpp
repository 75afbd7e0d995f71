#include "checkpoint/gguf/gguf_tokenizer.h"
#include "core/json.h"

namespace ingot::checkpoint {
namespace {

/// bos_token, eos_token, unk_token and pad_token, as far as the vocabulary names them.
nlohmann::json named_tokens(const GgufVocabulary& vocabulary) {
  nlohmann::json named = nlohmann::json::object();
  const auto add = [&](const char* name, const std::optional<int64_t>& id) {
    if (id) named[name] = vocabulary.tokens[static_cast<size_t>(*id)];
  };
  add("bos_token", vocabulary.bos);
  add("eos_token", vocabulary.eos);
  add("pad_token", vocabulary.padding);
  add("unk_token", vocabulary.unknown);
  return named;
}

/// Control and user-defined tokens by id, which a SentencePiece file alone does not cut out of a text.
nlohmann::json added_tokens_decoder(const GgufVocabulary& vocabulary) {
  nlohmann::json added = nlohmann::json::object();
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const TokenKind kind = vocabulary.kinds[id];
    if (kind == TokenKind::kUnknown || kind == TokenKind::kControl || kind == TokenKind::kUserDefined)
      added[std::to_string(id)] = {{"content", vocabulary.tokens[id]},
                                   {"lstrip", false},
                                   {"normalized", false},
                                   {"rstrip", false},
                                   {"single_word", false},
                                   {"special", kind != TokenKind::kUserDefined}};
  }
  return added;
}

}  // namespace

std::string tokenizer_config_json(const GgufVocabulary& vocabulary, int64_t context) {
  const bool sentencepiece = vocabulary.model == "llama";
  nlohmann::json config = named_tokens(vocabulary);
  config["add_bos_token"] = vocabulary.add_bos;
  config["add_eos_token"] = vocabulary.add_eos;
  config["added_tokens_decoder"] = added_tokens_decoder(vocabulary);
  config["clean_up_tokenization_spaces"] = false;
  config["model_max_length"] = context;
  config["tokenizer_class"] = sentencepiece ? "LlamaTokenizer" : "PreTrainedTokenizerFast";
  if (sentencepiece) config.update({{"legacy", true}, {"sp_model_kwargs", nlohmann::json::object()}});
  if (!vocabulary.chat_template.empty()) config["chat_template"] = vocabulary.chat_template;
  return config.dump(2) + "\n";
}

std::string special_tokens_map_json(const GgufVocabulary& vocabulary) {
  return named_tokens(vocabulary).dump(2) + "\n";
}

}  // namespace ingot::checkpoint
