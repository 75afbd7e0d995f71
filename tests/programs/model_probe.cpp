// Answers a JSON request about a Hugging Face folder with a safetensors file, for comparison with transformers:
//   model_probe FOLDER REQUEST.json OUT_FOLDER
// The request holds "input_ids" [[...]], "labels" [[...]] (already shifted, -100 where none counts), and, when wanted,
// "dtype" (float32), "router_aux_loss_coef" (as config.json says), "recompute" (none, selective, full), "positions" [[...]],
// "segment_starts" [...], "adapter" (a LoRA folder to add), and "experts" (true: tell of a mixture's).
// The answer, OUT_FOLDER/model.safetensors in float32, holds "logits", "loss" (the sum) and "grad.NAME" for every trainable
// parameter, of the training objective; and of experts "expert_balance" and "expert_tokens". A request of
// {"describe": [NAME ...]} alone: OUT_FOLDER/describe.json holds, by name, what FOLDER/NAME/config.json is read as; {"count": [NAME ...]}
// alone: OUT_FOLDER/count.json, the number of the parameters that it describes. No weights are read.

#include <ATen/ATen.h>

#include <iostream>

#include "checkpoint/hf_folder.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "model/causal_lm.h"
#include "hub/lora.h"
#include "tensor_makers.h"

namespace {

using namespace ingot;

at::Tensor to_tensor(const Json& rows) {
  std::vector<int64_t> flat;
  for (const auto& row : rows)
    for (const auto& id : row) flat.push_back(id.get<int64_t>());
  const int64_t count = static_cast<int64_t>(rows.size());
  return at::tensor(flat, at::kLong).view({count, -1});
}

model::ModelInput input_of(const Json& request) {
  model::ModelInput input{.tokens = to_tensor(request.at("input_ids")), .positions = {}, .segment_starts = {}};
  input.positions = request.contains("positions") ? to_tensor(request["positions"])
                                                  : at::arange(input.tokens.size(1)).expand(input.tokens.sizes());
  if (request.contains("segment_starts")) input.segment_starts = request["segment_starts"].get<std::vector<int64_t>>();
  return input;
}

model::Recompute recompute_of(const std::string& name) {
  if (name == "none") return model::Recompute::kNone;
  return name == "full" ? model::Recompute::kFull : model::Recompute::kSelective;
}

std::unique_ptr<model::CausalLm> load(const std::filesystem::path& folder, const Json& request) {
  const auto dtype = request.value("dtype", "float32") == "bfloat16" ? at::kBFloat16 : at::kFloat;
  auto model = model::build_model(model::DecoderConfig::from_folder(folder), dtype, "cpu");
  const checkpoint::HfWeights weights(folder);
  const at::NoGradGuard no_grad;
  for (const auto& parameter : model->parameters.parameters) parameter->value.copy_(weights.load(parameter->name));
  if (request.contains("adapter")) {
    const std::string adapter = request["adapter"];
    hub::attach_adapter(*model, hub::fitted_adapter(hub::ModelFolder(folder), *model, checkpoint::read_adapter(adapter), adapter), adapter);
  }
  model->config.router_aux_loss_coef = request.value("router_aux_loss_coef", model->config.router_aux_loss_coef);
  model->recompute = recompute_of(request.value("recompute", "none"));
  return model;
}

std::vector<checkpoint::NamedTensor> answer(const model::CausalLm& model, const Json& request) {
  const auto input = input_of(request);
  const auto labels = to_tensor(request.at("labels"));
  const auto terms = model.losses(input, labels);
  model.objective(terms, (labels != -100).sum().item<int64_t>()).backward();
  const at::NoGradGuard no_grad;
  std::vector<checkpoint::NamedTensor> tensors{{"logits", model.logits(input)},
                                               {"loss", terms.cross_entropy.detach().view({1})}};
  if (request.value("experts", false)) {
    tensors.push_back({"expert_balance", terms.expert_balance.detach().view({1})});
    tensors.push_back({"expert_tokens", terms.expert_tokens});
  }
  for (const auto& parameter : model.parameters.parameters)
    if (parameter->trainable) tensors.push_back({"grad." + parameter->name, parameter->value.grad()});
  return tensors;
}

void count(const std::filesystem::path& folder, const Json& names, const std::filesystem::path& out) {
  Json counts = Json::object();
  for (const std::string name : names) {
    const auto config = model::DecoderConfig::from_folder(folder / name);
    counts[name] = model::build_model(config, at::kBFloat16, "meta")->parameters.num_elements();
  }
  write_file(out / "count.json", counts.dump());
}

Json description(const model::DecoderConfig& c) {
  return {{"vocab_size", c.vocab_size}, {"hidden_size", c.hidden_size}, {"num_hidden_layers", c.num_layers},
          {"num_attention_heads", c.num_heads}, {"num_key_value_heads", c.num_kv_heads}, {"head_dim", c.head_dim},
          {"intermediate_size", c.intermediate_size}, {"max_position_embeddings", c.max_position_embeddings},
          {"rms_norm_eps", c.rms_norm_eps}, {"rope_theta", c.rope_theta}, {"initializer_range", c.initializer_range},
          {"rope_type", c.rope_scaling.kind}, {"partial_rotary_factor", c.partial_rotary_factor},
          {"sliding_window", c.window_of(c.num_layers - 1)}, {"num_local_experts", c.num_experts},
          {"num_experts_per_tok", c.experts_per_token}, {"tie_word_embeddings", c.tie_word_embeddings},
          {"attention_bias", c.attention_out_bias || c.qkv_bias}, {"mlp_bias", c.mlp_bias},
          {"bos_token_id", c.bos_token_id ? Json(*c.bos_token_id) : Json()}, {"eos_token_id", c.eos_token_ids}};
}

void describe(const std::filesystem::path& folder, const Json& names, const std::filesystem::path& out) {
  Json read = Json::object();
  for (const std::string name : names) read[name] = description(model::DecoderConfig::from_folder(folder / name));
  write_file(out / "describe.json", read.dump());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return kExitConfig;
  try {
    const auto request = read_json(argv[2]);
    make_folder(argv[3]);
    if (request.contains("describe")) return describe(argv[1], request["describe"], argv[3]), kExitOk;
    if (request.contains("count")) return count(argv[1], request["count"], argv[3]), kExitOk;
    const auto model = load(argv[1], request);
    checkpoint::write_hf_weights(argv[3], checkpoint::makers_of(answer(*model, request), DType::kF32));
  } catch (const Error& error) {
    std::cerr << error.what() << "\n";
    return error.exit_code();
  }
}
