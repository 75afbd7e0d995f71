#include "workflows/model_catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ostream>

#include "core/json.h"
#include "core/words.h"

namespace ingot::workflows {
namespace {

// Sizes are those of the published config.json files; parameters are counted exactly, tied heads once.
constexpr std::array<CatalogModel, 32> kCatalog{{
    // key, repository, architecture, layers, hidden, heads, kv heads, ffn, vocabulary, parameters, tied
    {"llama2-7b", "meta-llama/Llama-2-7b-chat-hf", "LlamaForCausalLM", 32, 4096, 32, 32, 11008, 32000, 6738415616},
    {"llama2-13b", "meta-llama/Llama-2-13b-chat-hf", "LlamaForCausalLM", 40, 5120, 40, 40, 13824, 32000, 13015864320},
    {"llama2-70b", "meta-llama/Llama-2-70b-chat-hf", "LlamaForCausalLM", 80, 8192, 64, 8, 28672, 32000, 68976648192},
    {"llama3-8b", "meta-llama/Meta-Llama-3-8B-Instruct", "LlamaForCausalLM", 32, 4096, 32, 8, 14336, 128256, 8030261248},
    {"llama3-70b", "meta-llama/Meta-Llama-3-70B-Instruct", "LlamaForCausalLM", 80, 8192, 64, 8, 28672, 128256, 70553706496},
    {"qwen-7b", "Qwen/Qwen-7B-Chat", "QWenLMHeadModel", 32, 4096, 32, 32, 11008, 151936, 7721324544},
    {"qwen-14b", "Qwen/Qwen-14B-Chat", "QWenLMHeadModel", 40, 5120, 40, 40, 13696, 152064, 14167290880},
    {"qwen-72b", "Qwen/Qwen-72B-Chat", "QWenLMHeadModel", 80, 8192, 64, 64, 24576, 152064, 72287920128},
    {"qwen1.5-7b", "Qwen/Qwen1.5-7B-Chat", "Qwen2ForCausalLM", 32, 4096, 32, 32, 11008, 151936, 7721324544},
    {"qwen1.5-14b", "Qwen/Qwen1.5-14B-Chat", "Qwen2ForCausalLM", 40, 5120, 40, 40, 13696, 152064, 14167290880},
    {"qwen1.5-32b", "Qwen/Qwen1.5-32B-Chat", "Qwen2ForCausalLM", 64, 5120, 40, 8, 27392, 152064, 32512218112},
    {"qwen1.5-72b", "Qwen/Qwen1.5-72B-Chat", "Qwen2ForCausalLM", 80, 8192, 64, 64, 24576, 152064, 72287920128},
    {"yi-6b", "01-ai/Yi-6B-Chat", "LlamaForCausalLM", 32, 4096, 32, 4, 11008, 64000, 6061035520},
    {"yi-34b", "01-ai/Yi-34B-Chat", "LlamaForCausalLM", 60, 7168, 56, 8, 20480, 64000, 34388917248},
    {"chatglm3-6b", "THUDM/chatglm3-6b", "ChatGLMModel", 28, 4096, 32, 2, 13696, 65024, 6243584000},
    {"baichuan2-13b", "baichuan-inc/Baichuan2-13B-Chat", "BaichuanForCausalLM", 40, 5120, 40, 40, 13696, 125696, 13896668160},
    {"qwen2-0.5b", "Qwen/Qwen2-0.5B-Instruct", "Qwen2ForCausalLM", 24, 896, 14, 2, 4864, 151936, 494032768, true},
    {"qwen2-1.5b", "Qwen/Qwen2-1.5B-Instruct", "Qwen2ForCausalLM", 28, 1536, 12, 2, 8960, 151936, 1543714304, true},
    {"qwen2-7b", "Qwen/Qwen2-7B-Instruct", "Qwen2ForCausalLM", 28, 3584, 28, 4, 18944, 152064, 7615616512},
    {"qwen2-72b", "Qwen/Qwen2-72B-Instruct", "Qwen2ForCausalLM", 80, 8192, 64, 8, 29568, 152064, 72706203648},
    {"glm-4-9b", "THUDM/glm-4-9b-chat", "ChatGLMModel", 40, 4096, 32, 2, 13696, 151552, 9399951360},
    {"mistral-7b", "mistralai/Mistral-7B-Instruct-v0.2", "MistralForCausalLM", 32, 4096, 32, 8, 14336, 32000, 7241732096},
    {"mixtral-8x7b", "mistralai/Mixtral-8x7B-Instruct-v0.1", "MixtralForCausalLM", 32, 4096, 32, 8, 14336, 32000, 46702792704},
    {"llama3.1-8b", "meta-llama/Llama-3.1-8B-Instruct", "LlamaForCausalLM", 32, 4096, 32, 8, 14336, 128256, 8030261248},
    {"llama3.1-70b", "meta-llama/Llama-3.1-70B-Instruct", "LlamaForCausalLM", 80, 8192, 64, 8, 28672, 128256, 70553706496},
    {"qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B-Instruct", "Qwen2ForCausalLM", 24, 896, 14, 2, 4864, 151936, 494032768, true},
    {"qwen2.5-7b", "Qwen/Qwen2.5-7B-Instruct", "Qwen2ForCausalLM", 28, 3584, 28, 4, 18944, 152064, 7615616512},
    {"qwen2.5-14b", "Qwen/Qwen2.5-14B-Instruct", "Qwen2ForCausalLM", 48, 5120, 40, 8, 13824, 152064, 14770033664},
    {"qwen2.5-32b", "Qwen/Qwen2.5-32B-Instruct", "Qwen2ForCausalLM", 64, 5120, 40, 8, 27648, 152064, 32763876352},
    {"qwen2.5-72b", "Qwen/Qwen2.5-72B-Instruct", "Qwen2ForCausalLM", 80, 8192, 64, 8, 29568, 152064, 72706203648},
    {"llama3.2-1b", "meta-llama/Llama-3.2-1B-Instruct", "LlamaForCausalLM", 16, 2048, 32, 8, 8192, 128256, 1235814400, true},
    {"llama3.2-3b", "meta-llama/Llama-3.2-3B-Instruct", "LlamaForCausalLM", 28, 3072, 24, 8, 8192, 128256, 3212749824, true},
}};

/// Architectures whose families are in src/model today.
constexpr std::array kTrainable{"LlamaForCausalLM", "MistralForCausalLM", "MixtralForCausalLM", "Qwen2ForCausalLM",
                                "QWenLMHeadModel",  "ChatGLMModel",       "BaichuanForCausalLM"};

Json to_json(const CatalogModel& model) {
  return {{"key", model.key},
          {"repository", model.repository},
          {"architecture", model.architecture},
          {"num_hidden_layers", model.layers},
          {"hidden_size", model.hidden},
          {"num_attention_heads", model.heads},
          {"num_key_value_heads", model.kv_heads},
          {"intermediate_size", model.ffn},
          {"vocab_size", model.vocabulary},
          {"parameters", model.parameters},
          {"trainable_today", is_trainable(model)}};
}

/// The model_type of an architecture: its name without what stands for the class.
std::string model_type_of(const CatalogModel& model) {
  const std::string architecture = lower_case(model.architecture);
  return architecture.substr(0, std::min({architecture.find("lmhead"), architecture.find("forcausallm"), architecture.find("model")}));
}

/// config.json in the words of the family.
Json config_json(const CatalogModel& model) {
  const std::string type = model_type_of(model);
  Json config{{"architectures", Json::array({model.architecture})}, {"model_type", type}, {"hidden_size", model.hidden},
              {"num_attention_heads", model.heads}, {"tie_word_embeddings", model.tied}};
  if (type == "chatglm") {
    config.update({{"num_layers", model.layers}, {"ffn_hidden_size", model.ffn}, {"padded_vocab_size", model.vocabulary},
                   {"kv_channels", model.hidden / model.heads}, {"multi_query_attention", true}, {"multi_query_group_num", model.kv_heads},
                   {"add_qkv_bias", true}});
    return config;
  }
  config.update({{"num_hidden_layers", model.layers}, {"num_key_value_heads", model.kv_heads}, {"vocab_size", model.vocabulary},
                 {"intermediate_size", type == "qwen" ? 2 * model.ffn : model.ffn}});  // Qwen 1 counts gate and up together
  if (type == "mistral") config["sliding_window"] = nullptr;  // of v0.2
  return config;
}

}  // namespace

std::span<const CatalogModel> model_catalog() { return kCatalog; }

const CatalogModel* find_catalog_model(std::string_view key) {
  const auto found = std::find_if(kCatalog.begin(), kCatalog.end(), [&](const auto& model) { return key == model.key; });
  return found == kCatalog.end() ? nullptr : &*found;
}

model::DecoderConfig catalog_config(const CatalogModel& model) { return model::DecoderConfig::from_json(config_json(model), model.key); }

bool is_trainable(const CatalogModel& model) {
  return std::find(kTrainable.begin(), kTrainable.end(), std::string_view(model.architecture)) != kTrainable.end();
}

int print_models(const ModelsRequest& request, std::ostream& out) {
  if (request.json) {
    Json list = Json::array();
    for (const auto& model : kCatalog) list.push_back(to_json(model));
    out << list.dump(2) << "\n";
    return 0;
  }
  out << fmt::format("{:<14} {:>8} {:>7} {:>7} {:>6} {:>3} {:>7} {:>8}  {:<6} {}\n", "model", "params", "layers", "hidden",
                     "heads", "kv", "ffn", "vocab", "today", "Hugging Face repository");
  for (const auto& m : kCatalog)
    out << fmt::format("{:<14} {:>7.2f}B {:>7} {:>7} {:>6} {:>3} {:>7} {:>8}  {:<6} {}\n", m.key, m.parameters / 1e9, m.layers,
                       m.hidden, m.heads, m.kv_heads, m.ffn, m.vocabulary, is_trainable(m) ? "trains" : "-", m.repository);
  out << "today: \"trains\" where this version has the family; any other Llama-shaped folder trains too.\n";
  return 0;
}

}  // namespace ingot::workflows
