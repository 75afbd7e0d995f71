#include "model/llama.h"

#include <ATen/ATen.h>

#include "ops/recompute.h"

namespace ingot::model {

Llama::Llama(const DecoderConfig& settings, at::ScalarType dtype, const std::string& device) : rope_(settings, device) {
  config = settings;
  const ParameterScope root(parameters, dtype, device), params = root.child("model");
  const Shape table{config.vocab_size, config.hidden_size};
  embedding_ = params.child("embed_tokens").normal("weight", table, config.initializer_range);
  for (size_t i = 0; i < static_cast<size_t>(config.num_layers); ++i) {
    const auto name = "layers." + std::to_string(i);
    const size_t first = parameters.parameters.size();
    Block block{"model." + name, DecoderLayer(params.child(name), config, i), {}};
    for (size_t p = first; p < parameters.parameters.size(); ++p)
      block.parameters.push_back(parameters.parameters[p]->value);
    blocks_.push_back(std::move(block));
  }
  norm_.emplace(params.child("norm"), config);
  head_ = config.tie_word_embeddings
              ? embedding_
              : root.child("lm_head").normal("weight", table, config.initializer_range);
}

at::Tensor Llama::hidden(const ModelInput& input) const {
  TORCH_CHECK(input.tokens.dim() == 2 && input.tokens.sizes() == input.positions.sizes(), "tokens ",
              input.tokens.sizes(), " and positions ", input.positions.sizes(), " are not one [batch, seq]");
  const Pass pass{.rope = rope_.table(input.positions), .segment_starts = input.segment_starts,
                  .remake_inputs = recompute == Recompute::kSelective};
  auto x = embed(input.tokens);
  for (const auto& block : blocks_) x = run(block, x, pass);
  x = norm_->forward(x);
  observe("model.norm", x);
  return x;
}

at::Tensor Llama::logits_cached(const at::Tensor& tokens, KeyValueCache& cache) const {
  const at::NoGradGuard no_grad;
  const auto positions = at::arange(cache.length, cache.length + tokens.size(1), tokens.options()).unsqueeze(0);
  const Pass pass{.rope = rope_.table(positions), .segment_starts = {}, .cache = &cache};
  auto x = embed(tokens);
  for (const auto& block : blocks_) x = block.layer.forward(x, pass);
  cache.length += tokens.size(1);
  return at::linear(norm_->forward(x), head_);
}

at::Tensor Llama::embed(const at::Tensor& tokens) const {
  auto x = at::embedding(embedding_, tokens);  // [batch, seq, hidden]
  observe("model.embed_tokens", x);
  return x;
}

at::Tensor Llama::run(const Block& block, const at::Tensor& x, const Pass& pass) const {
  const auto forward = [&layer = block.layer, pass](const at::Tensor& in) { return layer.forward(in, pass); };
  auto out = recompute == Recompute::kFull ? ops::recomputed(forward, x, block.parameters) : forward(x);
  observe(block.name, out);
  return out;
}

void Llama::observe(const std::string& name, const at::Tensor& output) const {
  if (observer) observer(name, output);
}

}  // namespace ingot::model
