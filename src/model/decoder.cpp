#include "model/decoder.h"

#include <ATen/ATen.h>

#include "ops/recompute.h"
#include "parallel/tensor_parallel.h"

namespace ingot::model {

Decoder::Decoder(const DecoderConfig& settings, const Family& family, at::ScalarType type, const std::string& place, const parallel::Mesh& mesh)
    : family_(family), pipeline_(mesh.pipeline), rope_(settings, place) {
  config = settings, dtype = type, device = at::Device(place), cut = mesh.cut, tensor = &mesh.tensor, context = &mesh.context;
  for (auto& spec : parameter_specs(config, family_)) {
    const auto part = part_of(spec, mesh);
    add_parameter(parameters, std::move(spec), dtype, place, part);
  }
  if (mesh.shards_weights) shard_weights(mesh);
  const ParameterScope root(parameters);
  const LayerContext context{config, family_.names, mesh.tensor, mesh.experts, mesh.context};
  const auto& names = family_.names;
  embedding_ = root.child(names.embedding).value("weight");
  const bool tied = config.tie_word_embeddings;
  if (!tied) embedding_layer_ = root.child(names.embedding).linear_layer(LayerKind::kEmbedding);
  for (size_t i = 0; i < static_cast<size_t>(config.num_layers); ++i) {
    const auto name = names.layers + "." + std::to_string(i);
    blocks_.push_back({name, DecoderLayer(root.child(name), context, i), unit_of(name)});
  }
  norm_.emplace(root.child(names.final_norm), config);
  head_ = tied ? embedding_ : root.child(names.head).value("weight");
  if (tied && mesh.sums_apart && cut.ranks == 1) head_ = parameters.find(names.embedding + ".weight")->leaf(1);
  if (!tied && !config.norm_head) head_layer_ = root.child(names.head).linear_layer(LayerKind::kHead);
  embedding_values_ = unit_of(names.embedding), head_values_ = unit_of(tied ? names.embedding : names.head);
}

/// Of all but the final norm, a vector.
void Decoder::shard_weights(const parallel::Mesh& mesh) {
  for (const auto& parameter : parameters.parameters) {
    auto& replicas = mesh.replicas(parameter->expert >= 0);
    if (replicas.size() > 1 && parameter->part.is_here && !parameter->name.starts_with(family_.names.final_norm + "."))
      parameter->sharded = std::make_shared<ShardedValue>(parameter->value, replicas);
  }
}

ValueUnit Decoder::unit_of(const std::string& module) const {
  std::vector<std::shared_ptr<ShardedValue>> found;
  for (const auto& parameter : parameters.parameters)
    if (parameter->sharded && parameter->name.starts_with(module + ".")) found.push_back(parameter->sharded);
  return ValueUnit(std::move(found));
}

TensorPart Decoder::part_of(const ParameterSpec& spec, const parallel::Mesh& mesh) const {
  const bool is_embedding = spec.name.starts_with(family_.names.embedding + ".");
  const bool is_here = spec.layer >= 0 ? cut.chunk_of_layer(spec.layer, {config.num_layers, config.head_in_layers()}) >= 0
                       : is_embedding  ? cut.has_first() || (config.tie_word_embeddings && cut.has_last())
                                       : cut.has_last();
  const bool has_expert = spec.expert < 0 || spec.expert / (config.num_experts / mesh.experts.size()) == mesh.experts.rank();
  return {.index = mesh.tensor.rank(), .count = mesh.tensor.size(), .is_here = is_here && has_expert, .is_first = !is_embedding || cut.has_first(),
          .is_at_both_ends = is_embedding && config.tie_word_embeddings && cut.ranks > 1};
}

std::span<const Decoder::Block> Decoder::blocks_of(int64_t chunk) const {
  const auto [first, end] = parallel::stage_layers({config.num_layers, config.head_in_layers()}, cut.num_stages(), cut.stage_of(chunk));
  return std::span(blocks_).subspan(static_cast<size_t>(first), static_cast<size_t>(end - first));
}

HiddenStates Decoder::run_stage(int64_t chunk, const ModelInput& input, HiddenStates found) const {
  TORCH_CHECK(input.tokens.dim() == 2 && input.tokens.sizes() == input.positions.sizes(), "tokens ",
              input.tokens.sizes(), " and positions ", input.positions.sizes(), " are not one [batch, seq]");
  const Pass pass{.rope = rope_.table(input.positions), .segment_starts = input.segment_starts, .remake_inputs = recompute == Recompute::kSelective,
                  .dropout_keys = input.dropout_keys, .batch = input.tokens.size(0), .seq = input.tokens.size(1)};
  const auto counted = counted_here(input.counted);
  if (cut.is_first(chunk)) found.states = embed(input.tokens);
  for (const auto& block : blocks_of(chunk)) {
    const auto output = run(block, found.states, pass);
    found.states = output.x;
    if (output.router_logits.defined() && counted.defined())
      found.load = ops::add_expert_load(found.load, {output.router_logits}, config.experts_per_token, counted);
  }
  if (cut.is_last(chunk)) found.states = finished(found.states, pass);
  return found;
}

/// Of the tokens that count for the experts' load those of this rank's share.
at::Tensor Decoder::counted_here(const at::Tensor& counted) const {
  if (tensor->size() == 1 || !counted.defined()) return counted;
  const int64_t share = parallel::share_of(counted.size(0), *tensor), first = tensor->rank() * share;
  const auto here = at::zeros_like(counted);
  here.slice(0, first, first + share).copy_(counted.slice(0, first, first + share));
  return here;
}

/// The final norm's output for all tokens, [batch, seq, hidden].
at::Tensor Decoder::finished(const at::Tensor& x, const Pass& pass) const {
  const auto own = norm_->forward(x);
  observe(family_.names.final_norm, own);
  return parallel::rows_of_shares(own, pass.batch * pass.seq, *tensor).view({pass.batch, pass.seq, -1});
}

at::Tensor Decoder::logits_cached(const at::Tensor& tokens, KeyValueCache& cache) const {
  const at::NoGradGuard no_grad;
  const auto positions = at::arange(cache.length, cache.length + tokens.size(1), tokens.options()).unsqueeze(0);
  const Pass pass{.rope = rope_.table(positions), .segment_starts = {}, .cache = &cache, .batch = tokens.size(0), .seq = tokens.size(1)};
  auto x = at::empty({parallel::share_of(tokens.numel(), *tensor), config.hidden_size}, tokens.options().dtype(dtype));
  const int64_t next = (cut.rank + 1) % cut.ranks, last = cut.ranks - 1;
  for (int64_t chunk = 0; chunk < cut.chunks; ++chunk) {
    if (cut.is_first(chunk)) x = embed(tokens);
    else pipeline_.receive(x, (cut.rank + last) % cut.ranks);
    for (const auto& block : blocks_of(chunk)) {
      const ValueUnit::Use use(block.values);
      x = block.layer.forward(x, pass).x;
    }
    if (!cut.is_last(chunk)) pipeline_.send(x.contiguous(), next);
  }
  cache.length += tokens.size(1);
  if (cut.has_last()) {
    const auto logits = head().logits(finished(x, pass));
    for (int64_t rank = 0; rank < last; ++rank) pipeline_.send(logits.contiguous(), rank);
    return logits;
  }
  auto logits = at::empty({tokens.size(0), tokens.size(1), config.vocab_size}, x.options());
  pipeline_.receive(logits, last);
  return logits;
}

at::Tensor Decoder::embed(const at::Tensor& tokens) const {
  const ValueUnit::Use use(embedding_values_);  // the backward pass needs no value of it
  auto x = rows_of(embedding_, tokens.flatten());  // [tokens, hidden]
  if (embedding_layer_ && embedding_layer_->adapter.defined()) {
    const auto& [a, b, scale, dropout] = embedding_layer_->adapter;  // a [rank, vocab]
    x = x + at::linear(rows_of(a.t(), tokens.flatten()), b) * scale;
  }
  observe(family_.names.embedding, x);
  return x;
}

/// Of this rank's share of the tokens, [tokens], the rows of a table of which each rank has those of some ids.
at::Tensor Decoder::rows_of(const at::Tensor& table, const at::Tensor& tokens) const {
  if (tensor->size() == 1) return at::embedding(table, tokens);
  const auto places = tokens - tensor->rank() * table.size(0);
  const auto is_here = places.ge(0).logical_and(places.lt(table.size(0)));
  const auto rows = at::embedding(table, places.clamp(0, table.size(0) - 1)) * is_here.unsqueeze(-1).to(table.scalar_type());
  return parallel::share_of_sum(rows, *tensor);
}

Head Decoder::head() const {
  return {.matrix = head_, .unit_rows = config.norm_head, .adapter = head_layer_ ? head_layer_->adapter : ops::LowRank(), .ranks = tensor, .values = &head_values_};
}

LayerOutput Decoder::run(const Block& block, const at::Tensor& x, const Pass& pass) const {
  const auto forward = [&layer = block.layer, pass](const at::Tensor& in) {
    const auto [out, router_logits] = layer.forward(in, pass);
    return router_logits.defined() ? std::vector{out, router_logits} : std::vector{out};
  };
  const auto recomputed = [&](const at::Tensor& in) { return ops::recomputed(forward, in, parameters.values_of(block.name)); };
  const auto outs = recompute == Recompute::kFull ? block.values.around(recomputed, x) : block.values.around(forward, x);
  observe(block.name, outs[0]);
  return {outs[0], outs.size() > 1 ? outs[1] : at::Tensor()};
}

void Decoder::observe(const std::string& name, const at::Tensor& output) const {
  if (observer) observer(name, output);
}

}  // namespace ingot::model
