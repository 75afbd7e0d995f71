#include "model/parameter_specs.h"

#include <numeric>

namespace ingot::model {
namespace {

using Blocks = std::vector<parallel::Split::Block>;

int64_t width_of(const Blocks& blocks) {
  return std::accumulate(blocks.begin(), blocks.end(), int64_t{0}, [](int64_t sum, const auto& block) { return sum + block.size; });
}

/// Writes down a decoder's parameters one after another.
class Writer {
 public:
  Writer(const DecoderConfig& config, const Family& family) : config_(config), names_(family.names) {}

  std::vector<ParameterSpec> decoder() {
    const Blocks vocabulary{{config_.vocab_size, config_.vocab_size}};
    matrix(names_.embedding, vocabulary, {{config_.hidden_size, 1}}, 0);
    for (layer_ = 0; layer_ < config_.num_layers; ++layer_) layer(names_.layers + "." + std::to_string(layer_) + ".");
    layer_ = -1;
    norm(names_.final_norm);
    if (!config_.tie_word_embeddings) matrix(names_.head, vocabulary, {{config_.hidden_size, 1}}, 0);
    return std::move(specs_);
  }

 private:
  void layer(const std::string& prefix) {
    attention(prefix + names_.attention + ".");
    const std::string mlp_prefix = prefix + names_.mlp + ".";
    config_.num_experts > 0 ? mixture(mlp_prefix) : mlp(mlp_prefix);
    norm(prefix + names_.attention_norm);
    norm(prefix + names_.mlp_norm);
  }

  void attention(const std::string& prefix) {
    const Blocks queries{{config_.num_heads * config_.head_dim, config_.num_heads}}, keys{{config_.num_kv_heads * config_.head_dim, config_.num_kv_heads}};
    joint(prefix, names_.qkv, {queries[0], keys[0], keys[0]}, config_.qkv_bias);
    by_rows(prefix + names_.attention_out, queries, config_.attention_out_bias);
  }

  void mlp(const std::string& prefix) {
    const Blocks inner{{config_.intermediate_size, config_.intermediate_size}};
    joint(prefix, names_.gate_up, {inner[0], inner[0]}, config_.mlp_bias);
    by_rows(prefix + names_.down, inner, config_.mlp_bias);
  }

  void mixture(const std::string& prefix) {
    add({.name = prefix + "gate.weight", .shape = {config_.num_experts, config_.hidden_size}, .init_std = config_.initializer_range,
         .partial_gradient = true});
    for (expert_ = 0; expert_ < config_.num_experts; ++expert_) mlp(prefix + "experts." + std::to_string(expert_) + ".");
    expert_ = -1;
  }

  /// Maps of one input from hidden to `blocks`: one matrix with their rows one after another where there is one name, else one each.
  void joint(const std::string& prefix, const std::vector<std::string>& names, const Blocks& blocks, bool has_bias) {
    for (size_t i = 0; i < names.size(); ++i) {
      const Blocks rows = names.size() == 1 ? blocks : Blocks{blocks[i]};
      matrix(prefix + names[i], rows, {{config_.hidden_size, 1}}, 0);
      if (has_bias) add({.name = prefix + names[i] + ".bias", .shape = {width_of(rows)}, .init = Init::kZeros, .decay = false, .split = {0, rows}});
    }
  }

  /// A map from `inner` back to hidden, cut by its inputs; its bias is added once, by the first rank.
  void by_rows(const std::string& name, const Blocks& inner, bool has_bias) {
    matrix(name, {{config_.hidden_size, 1}}, inner, 1);
    if (has_bias) add({.name = name + ".bias", .shape = {config_.hidden_size}, .init = Init::kZeros, .decay = false, .partial_gradient = true});
  }

  /// [rows, columns], cut along `dim`.
  void matrix(const std::string& name, const Blocks& rows, const Blocks& columns, int64_t dim) {
    add({.name = name + ".weight", .shape = {width_of(rows), width_of(columns)}, .init_std = config_.initializer_range,
         .split = {dim, dim == 0 ? rows : columns}});
  }

  void norm(const std::string& name) {
    add({.name = name + ".weight", .shape = {config_.hidden_size}, .init = Init::kOnes, .decay = false, .partial_gradient = true});
  }

  void add(ParameterSpec spec) {
    spec.layer = layer_, spec.expert = expert_;
    specs_.push_back(std::move(spec));
  }

  const DecoderConfig& config_;
  const DecoderNames& names_;
  int64_t layer_ = -1, expert_ = -1;
  std::vector<ParameterSpec> specs_;
};

}  // namespace

std::vector<ParameterSpec> parameter_specs(const DecoderConfig& config, const Family& family) { return Writer(config, family).decoder(); }

}  // namespace ingot::model
