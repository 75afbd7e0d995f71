#include "data/tokenizer/class_tokens.h"

#include <fmt/format.h>

namespace ingot::data {
namespace {

constexpr int kQwenExtraTokens = 205;

AddedToken special_token(std::string content) { return {.content = std::move(content), .special = true}; }

/// Source: tokenization_qwen.py. It normalizes the whole text before it looks for special tokens.
ClassTokens qwen_tokens() {
  ClassTokens tokens;
  for (const char* content : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"})
    tokens.appended.push_back(special_token(content));
  for (int i = 0; i < kQwenExtraTokens; ++i) tokens.appended.push_back(special_token(fmt::format("<|extra_{}|>", i)));
  for (AddedToken& token : tokens.appended) token.normalized = true;
  tokens.eos = "<|endoftext|>";
  return tokens;
}

/// Source: tokenization_chatglm.py of ChatGLM3, whose encode_special_tokens is off: "sop" in a word stays text.
ClassTokens chatglm3_tokens() {
  ClassTokens tokens;
  for (const char* content : {"[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", "<|system|>", "<|user|>", "<|assistant|>",
                              "<|observation|>"})
    tokens.appended.push_back(special_token(content));
  tokens.prefix = {"[gMASK]", "sop"};
  tokens.found_in_text = false;
  return tokens;
}

}  // namespace

const ClassTokens& tokens_of_class(std::string_view tokenizer_class) {
  static const ClassTokens none, qwen = qwen_tokens(), chatglm3 = chatglm3_tokens();
  static const ClassTokens glm4 = {.appended = {}, .prefix = {"[gMASK]", "<sop>"}, .eos = {}};
  if (tokenizer_class == "QWenTokenizer") return qwen;
  if (tokenizer_class == "ChatGLMTokenizer") return chatglm3;
  if (tokenizer_class == "ChatGLM4Tokenizer") return glm4;
  return none;
}

}  // namespace ingot::data
