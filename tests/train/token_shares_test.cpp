// Ranks that share the matrices and, between them, the tokens: whatever the number of tokens, they give what one rank gives.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <tuple>

#include "model/lora.h"
#include "parallel/mesh.h"
#include "train/dropout_keys.h"
#include "train/gradient_sums.h"
#include "train/model_input.h"
#include "train/not_finite.h"
#include "train/tiny_llama.h"

namespace ingot::train {
namespace {

using Change = std::function<void(model::CausalLm&)>;

/// A family, and whether adapters are trained.
struct SharedKind {
  std::string name;
  std::function<void(model::DecoderConfig&)> change;
  bool lora = false;
};

void PrintTo(const SharedKind& kind, std::ostream* out) { *out << kind.name; }

void with_experts(model::DecoderConfig& config) {
  config.model_type = "mixtral", config.num_experts = 4, config.experts_per_token = 2, config.router_aux_loss_coef = 0.1;
}

const SharedKind kSharedKinds[] = {
    {"tied", [](auto& config) { config.tie_word_embeddings = true, config.qkv_bias = true; }},
    {"biased_rows", [](auto& config) { config.attention_out_bias = config.mlp_bias = true; }},
    {"alibi", [](auto& config) { config.model_type = "baichuan", config.num_kv_heads = 4, config.alibi = config.norm_head = true; }},
    {"experts", with_experts},
    {"biased_experts", [](auto& config) { with_experts(config), config.mlp_bias = true; }},
    {"adapters", [](auto&) {}, true},
    {"adapters_of_experts", with_experts, true},
};

std::unique_ptr<model::CausalLm> shared_model(const SharedKind& kind, const parallel::Mesh& mesh) {
  auto config = tiny_config(false);
  config.initializer_range = 0.2;
  kind.change(config);
  auto made = model::build_model(config, at::kFloat, "cpu", mesh);
  if (kind.lora) {
    model::LoraPlan plan;
    for (const auto& layer : made->parameters.linear_layers) plan.layers.push_back({layer->module, 4, 2.0});
    model::add_lora(made->parameters, plan);
    for (const auto& parameter : made->parameters.parameters)
      if (parameter->init == model::Init::kUniform) parameter->init = model::Init::kNormal, parameter->init_std = 0.2;  // no factor is zero
  }
  for (const auto& parameter : made->parameters.parameters)
    if (parameter->init == model::Init::kZeros) parameter->init = model::Init::kNormal, parameter->init_std = 0.2;  // nor a bias
  model::initialize_parameters(made->parameters, 3);
  return made;
}

/// Packed rows of random tokens, of which the last two of each row are padding.
data::Batch packed_rows(int64_t rows, int64_t length) {
  data::Batch batch{.rows = rows, .seq_length = length};
  at::manual_seed(rows * 100 + length);
  for (int64_t i = 0; i < rows * length; ++i) {
    const int64_t place = i % length;
    const auto token = [] { return static_cast<data::TokenId>(at::randint(64, {1}).item<int64_t>()); };
    batch.tokens.push_back(token());
    batch.labels.push_back(length > 3 && place >= length - 2 ? data::kIgnoredLabel : token());
    batch.positions.push_back(static_cast<int32_t>(place < 3 ? place : place - 3));
    if (place == 0 || place == 3) batch.segment_starts.push_back(i);
  }
  batch.segment_starts.push_back(rows * length);
  batch.sample_ids.assign(static_cast<size_t>(rows), 0);
  return batch;
}

/// What a pass forward and back gives, over all ranks.
struct PassFound {
  double objective = 0;
  std::map<std::string, at::Tensor> gradients;  // of whole parameters
  std::vector<at::Tensor> expert_tokens;

  void add(const parallel::Mesh& mesh, const model::LossTerms& terms, const std::vector<std::shared_ptr<model::Parameter>>& trained, const GradientSums& sums) {
    objective += mesh.tensor.rank() == 0 ? terms.cross_entropy.item<double>() : 0;
    if (terms.expert_tokens.defined()) expert_tokens.push_back(terms.expert_tokens);
    for (size_t i = 0; i < trained.size(); ++i) {
      const auto& [name, dim] = std::tie(trained[i]->name, trained[i]->split.dim);
      const auto& whole = gradients.try_emplace(name, at::zeros(trained[i]->shape)).first->second;
      for (const auto& own : trained[i]->slices())
        whole.narrow(dim, own.slice.offset[static_cast<size_t>(dim)], own.extent).copy_(sums.of(i).narrow(dim, own.begin, own.extent));
    }
  }
};

PassFound pass_over(const parallel::Layout& layout, const SharedKind& kind, const data::Batch& batch, model::Recompute recompute, const Change& change = {}) {
  PassFound found;
  parallel::run_ranks(layout.num_ranks(), [&](parallel::Communicator& world) {
    at::set_num_threads(1);
    const parallel::Mesh mesh(world, layout);
    const auto model = shared_model(kind, mesh);
    model->recompute = recompute;
    if (change) change(*model);
    std::vector<std::shared_ptr<model::Parameter>> trained;
    for (const auto& parameter : model->parameters.parameters)
      if (parameter->trainable) trained.push_back(parameter);
    GradientSums sums(trained, mesh, {});
    sums.meet();
    const auto rows = to_model_input(batch, *model);
    const auto terms = model->losses(rows.input, rows.labels);
    model->objective(terms, batch.num_labels()).backward();
    sums.accumulate({0});
    sums.sum_over_ranks(0);
    for (int64_t turn = 0; turn < world.size(); ++turn) {  // of what several have, the last one's stands
      if (turn == world.rank()) found.add(mesh, terms, trained, sums);
      world.barrier("the next rank's turn");
    }
  });
  return found;
}

/// The largest error of a parameter's gradient, relative to its largest value where that is not small; and whose it is.
std::pair<double, std::string> worst_error(const PassFound& found, const PassFound& wanted) {
  std::pair<double, std::string> worst;
  for (const auto& [name, gradient] : wanted.gradients)
    worst = std::max(worst, {(found.gradients.at(name) - gradient).abs().max().item<double>() / (0.1 + gradient.abs().max().item<double>()), name});
  return worst;
}

constexpr double kGradientBound = 2e-4;

class TokenShares : public testing::TestWithParam<SharedKind> {};

TEST_P(TokenShares, AnyNumberOfTokensGivesTheGradientsOfOneRank) {
  for (const auto& [rows, length] : {std::pair<int64_t, int64_t>{1, 1}, {1, 3}, {1, 7}, {3, 5}, {2, 8}}) {
    const auto batch = packed_rows(rows, length);
    const auto alone = pass_over({}, GetParam(), batch, model::Recompute::kNone);
    for (const int64_t tp : {2, 4})
      for (const auto recompute : {model::Recompute::kNone, model::Recompute::kSelective, model::Recompute::kFull}) {
        const auto shared = pass_over({.tp = tp}, GetParam(), batch, recompute);
        const auto what = fmt::format("{} x {} tokens, tp {}, recompute {}", rows, length, tp, static_cast<int>(recompute));
        const auto [error, name] = worst_error(shared, alone);
        EXPECT_LE(error, kGradientBound) << what << ": " << name;
        EXPECT_NEAR(shared.objective, alone.objective, 1e-4 * (1 + alone.objective)) << what;
        for (const auto& tokens : shared.expert_tokens) EXPECT_TRUE(tokens.equal(alone.expert_tokens.at(0))) << what;
      }
  }
}

TEST_P(TokenShares, TheTokensOfAContextRankAreSharedOnceMore) {
  const auto batch = packed_rows(1, 12);  // 6 tokens for each context rank, 3 or 2 for each rank
  const auto alone = pass_over({}, GetParam(), batch, model::Recompute::kNone);
  for (const int64_t tp : {2, 4}) {
    const auto shared = pass_over({.cp = 2, .tp = tp}, GetParam(), batch, model::Recompute::kSelective);
    const auto [error, name] = worst_error(shared, alone);
    EXPECT_LE(error, kGradientBound) << name;
    EXPECT_NEAR(shared.objective, alone.objective, 1e-4 * alone.objective);
  }
}

TEST_P(TokenShares, GeneratesTokenByToken) {
  const auto tokens = at::arange(9).view({1, 9});
  const auto logits_of = [&](const parallel::Mesh& mesh) {
    const auto model = shared_model(GetParam(), mesh);
    model::KeyValueCache cache;
    std::vector<at::Tensor> found;
    for (const auto& part : tokens.split_with_sizes({6, 1, 2}, 1)) found.push_back(model->logits_cached(part, cache));
    return at::cat(found, 1);
  };
  const auto wanted = logits_of(parallel::only_rank());
  for (const int64_t tp : {2, 4})
    parallel::run_ranks(tp, [&](parallel::Communicator& world) {
      EXPECT_LE((logits_of(parallel::Mesh(world, {.tp = tp})) - wanted).abs().max().item<double>(), 1e-4) << tp;
    });
}

INSTANTIATE_TEST_SUITE_P(Kinds, TokenShares, testing::ValuesIn(kSharedKinds), [](const auto& kind) { return kind.param.name; });

/// What the bound above is worth: a norm's gradient of which each rank has its tokens' alone breaks it, and so does a bias's or a router's.
TEST(TokenSharesControl, AForgottenSumIsSeen) {
  const auto batch = packed_rows(2, 8);
  const std::pair<const char*, size_t> forgotten[] = {{"model.layers.0.input_layernorm.weight", 1}, {"model.norm.weight", 1},
                                                      {"model.layers.1.self_attn.o_proj.bias", 1}, {"model.layers.1.block_sparse_moe.gate.weight", 3}};
  for (const auto& [name, kind] : forgotten) {
    const auto forget = [&, name = name](model::CausalLm& model) { model.parameters.find(name)->partial_gradient = false; };
    const auto alone = pass_over({}, kSharedKinds[kind], batch, model::Recompute::kNone);
    const auto [error, worst] = worst_error(pass_over({.tp = 2}, kSharedKinds[kind], batch, model::Recompute::kNone, forget), alone);
    EXPECT_GT(error, 100 * kGradientBound) << name;
    EXPECT_EQ(worst, name);
  }
}

TEST(TokenSharesControl, AllRanksNameTheLayerThatOneOfThemSees) {
  auto batch = packed_rows(1, 8);
  std::fill(batch.tokens.begin(), batch.tokens.end(), 5);
  batch.tokens.back() = 6;  // the others do not see it, in no layer
  for (const parallel::Layout& layout : {parallel::Layout{.tp = 2}, {.tp = 4}, {.cp = 2, .tp = 2}})
    parallel::run_ranks(layout.num_ranks(), [&](parallel::Communicator& world) {
      const parallel::Mesh mesh(world, layout);
      const auto model = shared_model(kSharedKinds[1], mesh);
      auto& table = *model->parameters.find("model.embed_tokens.weight");
      const auto slice = table.slices()[0].slice;
      const at::NoGradGuard no_grad;
      if (slice.offset[0] <= 6 && 6 < slice.offset[0] + slice.extent[0]) table.value[6 - slice.offset[0]].fill_(std::numeric_limits<float>::quiet_NaN());
      EXPECT_EQ(first_bad_layer(*model, batch).value_or("none"), "model.embed_tokens") << world.rank();
    });
}

}  // namespace
}  // namespace ingot::train
