#include "workflows/generate.h"

#include <fmt/format.h>

#include <ostream>

#include "core/error.h"
#include "core/json.h"
#include "workflows/load_model.h"
#include "workflows/lora.h"
#include "workflows/sampling.h"

namespace ingot::workflows {
namespace {

SamplingOptions sampling_options(const GenerateRequest& request, const model::DecoderConfig& config) {
  SamplingOptions options{request.max_new_tokens, request.top_k, request.temperature, request.top_p, request.seed, {}};
  if (!request.ignore_eos) options.stop_ids.assign(config.eos_token_ids.begin(), config.eos_token_ids.end());
  return options;
}

std::vector<data::TokenId> prompt_ids(const GenerateRequest& request, const data::Tokenizer& tokenizer, int64_t vocab_size) {
  auto ids = tokenizer.encode_with_special_tokens(request.prompt);
  if (ids.empty()) throw ConfigError("--prompt: found an empty text, wanted some: this tokenizer adds no first token");
  for (const auto id : ids)
    if (id >= vocab_size)
      throw DataError(fmt::format("{}: the tokenizer gives id {}, the model has a vocabulary of {}", request.model.string(),
                                  id, vocab_size));
  return ids;
}

}  // namespace

int generate(const GenerateRequest& request, std::ostream& out) {
  const auto tokenizer = data::load_tokenizer(request.model);
  const auto model = load_adapted_model(request.model, request.adapter, compute_type(request.precision, "--precision"));
  const auto prompt = prompt_ids(request, *tokenizer, model->config.vocab_size);
  warn_beyond_plain_length(model->config, static_cast<int64_t>(prompt.size()) + request.max_new_tokens);
  TextStream stream(*tokenizer, prompt);
  std::string text;
  if (!request.json) out << request.prompt << std::flush;
  const auto show = [&](const std::string& piece) {
    text += piece;
    if (!request.json) out << piece << std::flush;
  };
  const auto ids = sample_tokens(*model, prompt, sampling_options(request, model->config),
                                 [&](data::TokenId token) { show(stream.add(token)); });
  show(stream.finish());
  if (request.json)
    out << Json{{"prompt_ids", prompt}, {"ids", ids}, {"text", text}, {"full_text", request.prompt + text}}.dump(
        -1, ' ', false, Json::error_handler_t::replace);
  out << "\n";
  return kExitOk;
}

}  // namespace ingot::workflows
