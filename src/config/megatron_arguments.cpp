#include "config/megatron_arguments.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>

#include "config/key.h"
#include "config/yaml_value.h"
#include "core/json.h"
#include "core/printable.h"

namespace ingot::config {
namespace {

using Values = std::vector<std::string>;

/// Names that change nothing here, and why.
struct Idle {
  std::string_view name, reason;
};
constexpr Idle kIdle[] = {
    {"--recompute-method", "recompute: full and selective are of every layer"},
    {"--recompute-num-layers", "recompute: full and selective are of every layer"},
    {"--recompute-activation-function", "activations are made again in the backward pass"},
    {"--recompute-activation-function-num-layers", "activations are made again in the backward pass"},
    {"--enable-recompute-layers-per-pp-rank", "recompute: full and selective are of every layer"},
    {"--recompute-in-advance", "recompute: full and selective are of every layer"},
    {"--swap-attention", "attention keeps no square of the length"},
    {"--reuse-fp32-param", "masters and moments are in float32 once"},
    {"--sequence-parallel", "tensor parallel ranks always share the tokens between the matrices"},
    {"--tokenizer-not-use-fast", "the tokenizer reads the folder's own files and gives the ids of both"},
    {"--tokenizer-type", "the tokenizer is the model folder's"},
    {"--use-flash-attn", "attention is always fused"},
    {"--use-fused-rmsnorm", "norms are always fused"},
    {"--use-fused-swiglu", "SwiGLU is always fused"},
    {"--use-fused-rotary-pos-emb", "rotary positions are always fused"},
    {"--use-mcore-models", "there is one model code"},
    {"--use-mc2", "an operator of another back end"},
    {"--lora-fusion", "adapters are computed beside their layer"},
    {"--lora-register-forward-hook", "adapters need no hook"},
    {"--no-load-optim", "CKPT_LOAD_TYPE says what is loaded"},
    {"--no-load-rng", "CKPT_LOAD_TYPE says what is loaded"},
    {"--finetune", "CKPT_LOAD_TYPE says what is loaded"},
    {"--log-throughput", "throughput is always logged"},
    {"--exit-signal-handler", "SIGTERM always saves"},
    {"--distributed-backend", "the back end follows device"},
    {"--distributed-timeout-minutes", "a lost rank is noticed within a minute"},
    {"--no-gradient-accumulation-fusion", "gradients are summed in float32"},
    {"--no-masked-softmax-fusion", "attention is always fused"},
    {"--attention-softmax-in-fp32", "softmax is in float32"},
    {"--bf16", "precision: auto is bf16 where the device has it"},
    {"--is-instruction-dataset", "stage says it"},
    {"--make-vocab-size-divisible-by", "resize_vocab is the key that grows the vocabulary"},
};

/// The names of the matrices in Hugging Face's folders of the Llama kind behind Megatron's.
const std::map<std::string, Values, std::less<>> kTargets{
    {"linear_qkv", {"q_proj", "k_proj", "v_proj"}}, {"query_key_value", {"q_proj", "k_proj", "v_proj"}},
    {"linear_proj", {"o_proj"}},                    {"dense", {"o_proj"}},
    {"linear_fc1", {"gate_proj", "up_proj"}},       {"dense_h_to_4h", {"gate_proj", "up_proj"}},
    {"linear_fc2", {"down_proj"}},                  {"dense_4h_to_h", {"down_proj"}}};
const std::set<std::string> kSplitFamilies{"llama", "mistral", "mixtral", "qwen2"};  // by model_type: those that keep these apart

struct Reader {
  const std::filesystem::path& model;
  int64_t pipeline_ranks;
  Problems& problems;
  MegatronArguments found = {};

  Json model_config() const {
    const auto file = model / "config.json";
    return std::filesystem::is_regular_file(file) ? read_json(file) : Json::object();
  }

  std::optional<int64_t> model_number(const char* field) const {
    const Json config = model_config(), value = config.is_object() ? config.value(field, Json()) : Json();
    return value.is_number_integer() ? std::optional(value.get<int64_t>()) : std::nullopt;
  }

  std::string model_type() const {
    const Json config = model_config(), value = config.is_object() ? config.value("model_type", Json()) : Json();
    return value.is_string() ? value.get<std::string>() : "";
  }

  void set(const std::string& argument, const std::string& key, const std::string& value) {
    found.keys[key] = value;
    found.argument_of[key] = argument;
  }

  /// All four of either naming are all of the layers' matrices.
  void targets(const std::string& argument, const Values& values) {
    std::set<std::string> names;
    for (const auto& value : values) {
      const auto known = kTargets.find(value);
      if (known == kTargets.end()) names.insert(value);
      else names.insert(known->second.begin(), known->second.end());
    }
    const auto type = model_type();
    const bool is_all = std::all_of(kTargets.begin(), kTargets.end(), [&](const auto& one) { return names.contains(one.second.front()); });
    if (is_all) return set(argument, "lora_target", "all");
    if (!kSplitFamilies.contains(type))
      return problems.add(fmt::format("{}: found {}, wanted all four of a model of type {}, or lora_target with its own names", argument, fmt::join(values, " "), in_quotes(type)));
    set(argument, "lora_target", fmt::format("[{}]", fmt::join(names, ", ")));
  }

  /// Layers of a chunk; a configuration has the number of chunks.
  void chunks(const std::string& argument, const std::string& value) {
    const int64_t layers = model_number("num_hidden_layers").value_or(model_number("num_layers").value_or(0));
    const int64_t of_chunk = whole_number(value).value_or(0);
    if (of_chunk < 1 || layers < 1 || pipeline_ranks < 1 || of_chunk > layers / pipeline_ranks || layers % (of_chunk * pipeline_ranks) != 0)
      return problems.add(fmt::format("{}: found {}, wanted a number by which the {} layers can be cut for PP = {}", argument, value, layers, pipeline_ranks));
    set(argument, "virtual_pipeline_model_parallel_size", std::to_string(layers / (of_chunk * pipeline_ranks)));
  }

  void read(const std::string& argument, const Values& values) {
    const auto one = [&](const std::function<void(const std::string&)>& use) {
      if (values.size() == 1) return use(values[0]);
      problems.add(fmt::format("{}: found {} values, wanted one", argument, values.size()));
    };
    const auto idle = std::find_if(std::begin(kIdle), std::end(kIdle), [&](const Idle& known) { return known.name == argument; });
    if (idle != std::end(kIdle)) return found.remarks.push_back(fmt::format("{} changes nothing: {}", argument, idle->reason));
    if (argument == "--recompute-granularity") return one([&](const auto& value) { set(argument, "recompute", value); });
    if (argument == "--use-distributed-optimizer") return set(argument, "zero_stage", "1");
    if (argument == "--lora-load") return one([&](const auto& value) { set(argument, "adapter_name_or_path", value); });
    if (argument == "--lora-target-modules") return targets(argument, values);
    if (argument == "--num-layers-per-virtual-pipeline-stage") return one([&](const auto& value) { chunks(argument, value); });
    std::string name = argument.substr(2);
    std::replace(name.begin(), name.end(), '-', '_');
    if (const Key* key = find_key(name)) return set(argument, std::string(key->name), values.empty() ? "true" : values.size() == 1 ? values[0] : fmt::format("[{}]", fmt::join(values, ", ")));
    unknown(argument);
  }

  void unknown(const std::string& argument) {
    std::vector<std::string> known{"--recompute-granularity", "--use-distributed-optimizer", "--lora-load", "--lora-target-modules",
                                   "--num-layers-per-virtual-pipeline-stage"};
    for (const auto& idle : kIdle) known.emplace_back(idle.name);
    for (const auto& section : key_table())
      for (const auto& key : section.keys) {
        auto names = key.aliases;
        names.push_back(key.name);
        for (const auto one : names) {
          std::string name = fmt::format("--{}", one);
          std::replace(name.begin(), name.end(), '_', '-');
          known.push_back(name);
        }
      }
    const auto near = nearest_word(argument, known);
    problems.add(fmt::format("{}: is no argument that this program knows{}", argument, near.empty() ? "" : fmt::format("; did you mean {}?", near)));
  }
};

}  // namespace

MegatronArguments read_megatron_arguments(const std::vector<std::string>& arguments, const std::filesystem::path& model, int64_t pipeline_ranks,
                                          Problems& problems) {
  Reader reader{model, pipeline_ranks, problems};
  for (size_t i = 0; i < arguments.size();) {
    const std::string argument = arguments[i++];
    Values values;
    while (i < arguments.size() && !arguments[i].starts_with("--")) values.push_back(arguments[i++]);
    if (argument.starts_with("--")) reader.read(argument, values);
    else problems.add(fmt::format("{}: found before any argument, wanted --name value", in_quotes(argument)));
  }
  return std::move(reader.found);
}

}  // namespace ingot::config
