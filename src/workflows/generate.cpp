#include "workflows/generate.h"

#include <fmt/ranges.h>

#include <istream>
#include <ostream>

#include "core/error.h"
#include "core/expect_folder.h"
#include "core/json.h"
#include "core/log.h"
#include "core/stop.h"
#include "generate/chat.h"
#include "generate/sampling.h"
#include "hub/generation_config.h"
#include "hub/load_model.h"
#include "hub/lora.h"

namespace ingot::workflows {
namespace {

/// Settles one setting after another, and remembers where each came from.
class Settings {
 public:
  template <class Value>
  Value settle(const char* name, const std::optional<Value>& flag, const std::optional<Value>& file, Value otherwise) {
    const char* source = flag ? "the command line" : file ? "generation_config.json" : "default";
    const Value value = flag.value_or(file.value_or(otherwise));
    told_ += fmt::format("{}{} {} ({})", told_.empty() ? "" : ", ", name, value, source);
    return value;
  }
  const std::string& told() const { return told_; }

 private:
  std::string told_;
};

generate::SamplingOptions sampling_options(const GenerateRequest& request, const hub::ModelFolder& folder,
                                           const model::DecoderConfig& config) {
  const auto file = request.chat ? hub::read_generation_config(folder.files()) : hub::GenerationConfig();
  const auto temperature = file.do_sample ? std::optional(file.temperature.value_or(1)) : std::nullopt;
  const auto top_k = file.do_sample ? std::optional(file.top_k.value_or(50)) : file.top_k;  // as transformers' generate has it
  if (!file.left_out.empty())
    log_warning(fmt::format("{}: generation_config.json asks for what is not supported and left out: {}", folder.path().string(),
                            fmt::join(file.left_out, ", ")));
  Settings settings;
  generate::SamplingOptions options{.max_new_tokens = request.max_new_tokens, .seed = request.seed, .stop_ids = {}};
  options.temperature = settings.settle("temperature", request.temperature, temperature, 0.0);
  options.top_k = settings.settle("top_k", request.top_k, top_k, int64_t{0});
  options.top_p = settings.settle("top_p", request.top_p, file.top_p, 1.0);
  options.repetition_penalty = settings.settle("repetition_penalty", request.repetition_penalty, file.repetition_penalty, 1.0);
  if (request.verbose) log_info("tokens are chosen by " + settings.told());
  if (!request.ignore_eos) options.stop_ids.assign(config.eos_token_ids.begin(), config.eos_token_ids.end());
  return options;
}

std::vector<data::TokenId> prompt_ids(const GenerateRequest& request, const data::Tokenizer& tokenizer, int64_t vocab_size) {
  auto ids = tokenizer.encode_with_special_tokens(request.prompt);
  if (ids.empty()) throw ConfigError("--prompt: found an empty text, wanted some: this tokenizer adds no first token");
  generate::expect_known_ids(ids, vocab_size, request.model);
  return ids;
}

int chat_with_model(const GenerateRequest& request, std::istream& in, std::ostream& out) {
  const auto chat = data::make_chat_template(
      request.template_name.empty() ? data::detect_chat_template(request.model) : request.template_name);
  const hub::ModelFolder folder(request.model);
  const auto& tokenizer = folder.tokenizer();
  const auto model = hub::load_adapted_model(folder, request.adapter, hub::choose_compute({request.precision, request.device, "--"}));
  generate::SamplingOptions sampling = sampling_options(request, folder, model->config);
  const auto stops = chat->stop_ids(tokenizer);
  if (!request.ignore_eos) sampling.stop_ids.insert(sampling.stop_ids.end(), stops.begin(), stops.end());
  generate::ChatSession session({*model, tokenizer, *chat, request.model}, sampling, request.system);
  return generate::run_chat({request.prompt, request.json, request.terminal}, session, in, out);
}

}  // namespace

int generate(const GenerateRequest& request, std::istream& in, std::ostream& out) {
  expect_folder(request.model, "--model", kModelFolder);
  if (!request.adapter.empty()) expect_folder(request.adapter, "--adapter", kAdapterFolder);
  if (request.chat) return chat_with_model(request, in, out);
  const hub::ModelFolder folder(request.model);
  const auto& tokenizer = folder.tokenizer();
  const auto model = hub::load_adapted_model(folder, request.adapter, hub::choose_compute({request.precision, request.device, "--"}));
  const auto prompt = prompt_ids(request, tokenizer, model->config.vocab_size);
  hub::warn_beyond_plain_length(model->config, static_cast<int64_t>(prompt.size()) + request.max_new_tokens);
  generate::TextStream stream(tokenizer, prompt);
  std::string text;
  if (!request.json) out << request.prompt << std::flush;
  const auto show = [&](const std::string& piece) {
    text += piece;
    if (!request.json) out << piece << std::flush;
  };
  const auto ids = generate::sample_tokens(*model, prompt, sampling_options(request, folder, model->config),
                                 [&](data::TokenId token) { show(stream.add(token)); });
  show(stream.finish());
  if (request.json)
    out << json_text(Json{{"prompt_ids", prompt}, {"ids", ids}, {"text", text}, {"full_text", request.prompt + text}});
  out << "\n";
  return stop_requested() ? kExitTerminated : kExitOk;
}

}  // namespace ingot::workflows
