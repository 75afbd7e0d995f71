#include "model/decoder.h"

#include <ATen/ATen.h>

#include "ops/recompute.h"
#include "ops/unit_rows.h"
#include "parallel/tensor_parallel.h"

namespace ingot::model {

Decoder::Decoder(const DecoderConfig& settings, const Family& family, at::ScalarType dtype, const std::string& device, parallel::Communicator& ranks)
    : family_(family), ranks_(ranks), rope_(settings, device) {
  config = settings;
  for (auto& spec : parameter_specs(config, family_)) add_parameter(parameters, std::move(spec), dtype, device, {ranks.rank(), ranks.size()});
  const ParameterScope root(parameters);
  const LayerContext context{config, family_.names, ranks_};
  const auto& names = family_.names;
  embedding_ = root.child(names.embedding).value("weight");
  const bool tied = config.tie_word_embeddings;
  if (!tied) embedding_layer_ = root.child(names.embedding).linear_layer(LayerKind::kEmbedding);
  for (size_t i = 0; i < static_cast<size_t>(config.num_layers); ++i) {
    const auto name = names.layers + "." + std::to_string(i);
    blocks_.push_back({name, DecoderLayer(root.child(name), context, i)});
  }
  norm_.emplace(root.child(names.final_norm), config);
  head_ = tied ? embedding_ : root.child(names.head).value("weight");
  if (!tied && !config.norm_head) head_layer_ = root.child(names.head).linear_layer(LayerKind::kHead);
}

HiddenStates Decoder::hidden(const ModelInput& input) const {
  TORCH_CHECK(input.tokens.dim() == 2 && input.tokens.sizes() == input.positions.sizes(), "tokens ",
              input.tokens.sizes(), " and positions ", input.positions.sizes(), " are not one [batch, seq]");
  const Pass pass{.rope = rope_.table(input.positions), .segment_starts = input.segment_starts,
                  .remake_inputs = recompute == Recompute::kSelective, .dropout_keys = input.dropout_keys};
  auto x = embed(input.tokens);
  HiddenStates found;
  for (const auto& block : blocks_) {
    const auto output = run(block, x, pass);
    x = output.x;
    if (output.router_logits.defined()) found.router_logits.push_back(output.router_logits);
  }
  found.states = norm_->forward(x);
  observe(family_.names.final_norm, found.states);
  return found;
}

at::Tensor Decoder::logits_cached(const at::Tensor& tokens, KeyValueCache& cache) const {
  const at::NoGradGuard no_grad;
  const auto positions = at::arange(cache.length, cache.length + tokens.size(1), tokens.options()).unsqueeze(0);
  const Pass pass{.rope = rope_.table(positions), .segment_starts = {}, .cache = &cache};
  auto x = embed(tokens);
  for (const auto& block : blocks_) x = block.layer.forward(x, pass).x;
  cache.length += tokens.size(1);
  return head().logits(norm_->forward(x));
}

at::Tensor Decoder::embed(const at::Tensor& tokens) const {
  auto x = rows_of(embedding_, tokens);  // [batch, seq, hidden]
  if (embedding_layer_ && embedding_layer_->adapter.defined()) {
    const auto& [a, b, scale, dropout] = embedding_layer_->adapter;  // a [rank, vocab]
    x = x + at::linear(rows_of(a.t(), tokens), b) * scale;
  }
  observe(family_.names.embedding, x);
  return x;
}

/// The tokens' rows of a table of which each rank has those of some tokens.
at::Tensor Decoder::rows_of(const at::Tensor& table, const at::Tensor& tokens) const {
  if (ranks_.size() == 1) return at::embedding(table, tokens);
  const auto places = tokens - ranks_.rank() * table.size(0);
  const auto is_here = places.ge(0).logical_and(places.lt(table.size(0)));
  const auto rows = at::embedding(table, places.clamp(0, table.size(0) - 1)) * is_here.unsqueeze(-1).to(table.scalar_type());
  return parallel::sum_of_ranks(rows, ranks_);
}

Head Decoder::head() const {
  return {config.norm_head ? ops::unit_rows(head_) : head_, head_layer_ ? head_layer_->adapter : ops::LowRank(), &ranks_};
}

LayerOutput Decoder::run(const Block& block, const at::Tensor& x, const Pass& pass) const {
  LayerOutput output;
  if (recompute == Recompute::kFull) {
    const auto forward = [&layer = block.layer, pass](const at::Tensor& in) {
      const auto [out, router_logits] = layer.forward(in, pass);
      return router_logits.defined() ? std::vector{out, router_logits} : std::vector{out};
    };
    const auto outs = ops::recomputed(forward, x, parameters.values_of(block.name));
    output = {outs[0], outs.size() > 1 ? outs[1] : at::Tensor()};
  } else {
    output = block.layer.forward(x, pass);
  }
  observe(block.name, output.x);
  return output;
}

void Decoder::observe(const std::string& name, const at::Tensor& output) const {
  if (observer) observer(name, output);
}

}  // namespace ingot::model
