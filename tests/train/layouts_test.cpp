// Training with the model shared by several ranks, which are threads here.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>

#include "core/stop.h"
#include "model/lora.h"
#include "model/sharded_values.h"
#include "parallel/mesh.h"
#include "temporary_folder.h"
#include "train/loop.h"
#include "train/model_input.h"
#include "train/tiny_llama.h"

namespace ingot::train {
namespace {

using Values = std::map<std::string, at::Tensor>;  // of whole parameters

/// What a run ends with.
struct PartsOutcome {
  Values values;
  std::vector<double> losses, norms;
  double evaluation = 0;
};

/// Families as far as the ranks' shares differ between them.
struct Kind {
  std::string name;
  std::function<void(model::DecoderConfig&)> change = [](auto&) {};
  bool lora = false;
  at::ScalarType dtype = at::kFloat;
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

const Kind kKinds[] = {
    {"qwen2_tied", [](auto& config) { config.qkv_bias = true; }},
    {"llama", [](auto& config) { config.tie_word_embeddings = false; }},
    {"biased_rows", [](auto& config) { config.attention_out_bias = config.mlp_bias = true; }},
    {"chatglm", [](auto& config) { config.model_type = "chatglm", config.architecture = "ChatGLMModel", config.tie_word_embeddings = false; }},
    {"baichuan_13b", [](auto& config) { config.model_type = "baichuan", config.tie_word_embeddings = false, config.num_kv_heads = 4, config.alibi = config.norm_head = true; }},
    {"mixtral", [](auto& config) { config.model_type = "mixtral", config.tie_word_embeddings = false, config.num_experts = 4, config.experts_per_token = 2, config.router_aux_loss_coef = 0.1; }},
    {"lora", [](auto& config) { config.tie_word_embeddings = false; }, true},
    {"qwen2_tied_bf16", [](auto& config) { config.qkv_bias = true; }, false, at::kBFloat16},
};

class LayoutRuns : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override { clear_stop(); }
  void TearDown() override { clear_stop(); }

  LoopConfig sharded(const std::string& run, int64_t steps = 6) const {
    auto loop = config(run, steps);
    loop.optimizer.is_sharded = true;
    return loop;
  }

  LoopConfig config(const std::string& run, int64_t steps = 6) const {
    LoopConfig config;
    config.output_dir = folder / run, config.max_steps = steps, config.batch = {8, 2};
    config.schedule.learning_rate = 1e-2, config.optimizer.weight_decay = 0.01, config.optimizer.max_grad_norm = 0.5, config.logical_shards = 4;
    config.schedule.lr_scheduler_type = "constant";
    config.save_steps = 3, config.eval_steps = 3;
    config.matrix_rate = 1e12;
    return config;
  }

  std::unique_ptr<model::CausalLm> make_model(const Kind& kind, const parallel::Mesh& mesh) const {
    auto settings = tiny_config();
    settings.initializer_range = 0.2, settings.num_layers = num_layers;
    kind.change(settings);
    auto made = model::build_model(settings, kind.dtype, "cpu", mesh);
    if (kind.lora) {
      model::LoraPlan plan{.dropout = 0};
      for (const auto& layer : made->parameters.linear_layers) plan.layers.push_back({layer->module, 4, 2.0});
      model::add_lora(made->parameters, plan);
    }
    model::initialize_parameters(made->parameters, 3);
    return made;
  }

  /// A rank's work. Adds what it has to the outcome.
  void work(parallel::Communicator& world, const parallel::Layout& layout, const LoopConfig& loop, PartsOutcome& outcome, std::mutex& mutex) {
    at::set_num_threads(1);
    parallel::Mesh mesh(world, layout);
    mesh.sums_apart = loop.logical_shards > 0;
    mesh.shards_weights = shards_weights;
    if (loop.optimizer.shards_gradients || shards_weights) mesh.partners = &mesh.data;
    const auto model = make_model(GetParam(), mesh);
    model->recompute = recompute;
    const std::vector<EvaluationSet> eval{{"eval", random_rows(11)}};
    const auto result = run_loop(*model, random_rows(100, [](uint64_t row) { return static_cast<int64_t>(row % 7) * 2 + 1; }), eval, loop, mesh);
    for (const auto& parameter : model->parameters.parameters)
      if (parameter->sharded) parameter->sharded->begin_gather().wait();
    const std::lock_guard lock(mutex);
    if (world.rank() == 0 && result.last_evaluation) outcome.evaluation = result.last_evaluation->loss;
    for (const auto& parameter : model->parameters.parameters) put_parts(*parameter, outcome.values);
  }

  static void put_parts(const model::Parameter& parameter, Values& values) {
    const auto [place, is_new] = values.try_emplace(parameter.name);
    if (is_new) place->second = at::full(parameter.shape, std::nan(""), at::kFloat);
    if (!parameter.part.is_here) return;
    const auto value = parameter.value.detach().to(at::kFloat);
    for (const auto& own : parameter.slices()) {
      auto part = place->second.narrow(parameter.split.dim, own.slice.offset[static_cast<size_t>(parameter.split.dim)], own.extent);
      const auto mine = value.narrow(parameter.split.dim, own.begin, own.extent);
      EXPECT_TRUE(part.isnan().all().item<bool>() || part.equal(mine)) << parameter.name << ": ranks that share a slice have other values";
      part.copy_(mine);
    }
  }

  PartsOutcome train(const parallel::Layout& layout, const LoopConfig& loop) {
    PartsOutcome outcome;
    std::mutex mutex;
    parallel::run_ranks(layout.num_ranks(), [&](parallel::Communicator& world) { work(world, layout, loop, outcome, mutex); });
    std::ifstream in(loop.output_dir / "metrics.jsonl");
    for (std::string text; std::getline(in, text);)
      if (const Json line = Json::parse(text); line.contains("grad_norm")) outcome.losses.push_back(line["loss"]), outcome.norms.push_back(line["grad_norm"]);
    return outcome;
  }

  static double distance(const Values& a, const Values& b) {
    double most = 0;
    for (const auto& [name, value] : a) most = std::max(most, (value - b.at(name)).abs().max().item<double>());
    return most;
  }

  static bool same_bits(const Values& a, const Values& b) {
    return std::all_of(a.begin(), a.end(), [&](const auto& one) { return one.second.equal(b.at(one.first)); });
  }

  TemporaryFolder folder;
  int64_t num_layers = 2;
  bool shards_weights = false;
  model::Recompute recompute = model::Recompute::kNone;
};

TEST_P(LayoutRuns, DoesWhatOneRankDoes) {
  if (GetParam().dtype != at::kFloat) return;  // roundings of bf16 are another matter than its arithmetic's order
  const auto alone = train({}, config("alone"));
  for (const int64_t tp : {2, 4}) {
    const auto found = train({.tp = tp}, config(fmt::format("tp_{}", tp)));
    for (size_t i = 0; i < alone.losses.size(); ++i) {
      EXPECT_NEAR(found.losses[i], alone.losses[i], 2e-5 * (1 + 10 * static_cast<double>(i))) << "step " << i << " of tp " << tp;
      EXPECT_NEAR(found.norms[i], alone.norms[i], 2e-4 * alone.norms[i] * (1 + 10 * static_cast<double>(i))) << "step " << i << " of tp " << tp;
    }
    EXPECT_NEAR(found.evaluation, alone.evaluation, 1e-3);
    EXPECT_EQ(found.values.size(), alone.values.size());
  }
}

TEST_P(LayoutRuns, WithSoManyLogicalShardsNoLayoutChangesABit) {
  const auto wanted = train({.tp = 4}, config("threads"));
  EXPECT_TRUE(same_bits(train({.dp = 2, .tp = 4}, config("two_by_four")).values, wanted.values));
  EXPECT_EQ(train({.dp = 4, .tp = 4}, config("four_by_four")).losses, wanted.losses);
  EXPECT_FALSE(same_bits(train({.tp = 2}, config("two")).values, wanted.values));
}

TEST_P(LayoutRuns, AShardedOptimizerMakesTheSameUpdatesAndAnyLayoutReadsItsCheckpoints) {
  const auto wanted = train({.tp = 2}, config("wanted"));
  EXPECT_TRUE(same_bits(train({.dp = 4, .tp = 2}, sharded("four")).values, wanted.values));
  train({.dp = 2, .tp = 2}, sharded("parts", 3));
  EXPECT_TRUE(same_bits(train({.dp = 4, .tp = 2}, sharded("parts")).values, wanted.values));
  train({.dp = 4, .tp = 2}, sharded("whole", 3));
  EXPECT_TRUE(same_bits(train({.tp = 2}, config("whole")).values, wanted.values));
}

TEST_P(LayoutRuns, ShardedSumsOfGradientsAgreeWithWholeOnes) {
  auto loop = sharded("whole");
  loop.logical_shards = 0;
  const auto wanted = train({.dp = 4, .tp = 2}, loop);
  loop.output_dir = folder / "rows", loop.optimizer.shards_gradients = true;
  const auto found = train({.dp = 4, .tp = 2}, loop);
  const double bound = GetParam().dtype == at::kFloat ? 1e-5 : 1e-2;
  for (size_t i = 0; i < wanted.losses.size(); ++i) {
    EXPECT_NEAR(found.losses[i], wanted.losses[i], bound * (1 + 10 * static_cast<double>(i))) << i;
    EXPECT_NEAR(found.norms[i], wanted.norms[i], 10 * bound * wanted.norms[i] * (1 + 10 * static_cast<double>(i))) << i;
  }
}

TEST_P(LayoutRuns, ShardedWeightsChangeNoBit) {
  const auto wanted = train({.tp = 2}, config("wanted"));
  const auto with_weights = [&](const parallel::Layout& layout, const LoopConfig& loop, model::Recompute what = model::Recompute::kNone) {
    shards_weights = true, recompute = what;
    const auto found = train(layout, loop);
    shards_weights = false, recompute = model::Recompute::kNone;
    return found;
  };
  const auto found = with_weights({.dp = 4, .tp = 2}, sharded("four"));
  EXPECT_TRUE(same_bits(found.values, wanted.values));
  EXPECT_EQ(found.losses, wanted.losses);
  EXPECT_EQ(found.evaluation, wanted.evaluation);
  EXPECT_TRUE(same_bits(with_weights({.dp = 2, .tp = 2}, sharded("full"), model::Recompute::kFull).values, wanted.values));
  EXPECT_TRUE(same_bits(with_weights({.dp = 2, .tp = 2}, sharded("selective"), model::Recompute::kSelective).values, wanted.values));
  with_weights({.dp = 4, .tp = 2}, sharded("parts", 3));
  EXPECT_TRUE(same_bits(train({.dp = 2, .tp = 2}, config("parts")).values, wanted.values));
  train({.tp = 2}, config("whole", 3));
  EXPECT_TRUE(same_bits(with_weights({.dp = 2, .tp = 2}, sharded("whole")).values, wanted.values));
  auto fast = sharded("gradients");
  fast.logical_shards = 0, fast.optimizer.shards_gradients = true;
  const auto gradients = train({.dp = 4}, fast);
  fast.output_dir = folder / "weights";
  EXPECT_TRUE(same_bits(with_weights({.dp = 4}, fast).values, gradients.values));
}

/// Gradients in several buckets, some of which leave in the backward pass; the last step has one micro-batch for all ranks.
TEST_P(LayoutRuns, InTheFastestOrderEveryLayoutAgreesWithOneRank) {
  if (GetParam().dtype != at::kFloat) return;
  num_layers = 4;
  auto loop = config("alone");
  loop.logical_shards = 0, loop.optimizer.bucket_bytes = 8192, loop.max_samples = 42, loop.save_steps = 0;
  const auto alone = train({}, loop);
  struct Way { parallel::Layout layout; int zero; };
  const Way ways[] = {{{.dp = 2}, 0}, {{.dp = 4}, 1}, {{.dp = 4}, 2}, {{.dp = 2, .tp = 2}, 1}, {{.dp = 2, .pp = 2}, 0}, {{.dp = 2, .pp = 2}, 1},
                      {{.dp = 2, .pp = 2, .virtual_stages = 2}, 1}, {{.cp = 2}, 0}, {{.dp = 2, .cp = 2}, 1}, {{.dp = 2, .cp = 2}, 2}};
  for (const auto& [layout, zero] : ways) {
    const auto name = fmt::format("{} in {} zero {}", to_string(layout), layout.virtual_stages, zero);
    loop.output_dir = folder / name, loop.optimizer.is_sharded = zero > 0, loop.optimizer.shards_gradients = zero > 1;
    const auto found = train(layout, loop);
    ASSERT_EQ(found.losses.size(), 6u);
    for (size_t i = 0; i < alone.losses.size(); ++i) {
      EXPECT_NEAR(found.losses[i], alone.losses[i], 2e-5 * (1 + 10 * static_cast<double>(i))) << "step " << i << " of " << name;
      EXPECT_NEAR(found.norms[i], alone.norms[i], 2e-4 * alone.norms[i] * (1 + 10 * static_cast<double>(i))) << "step " << i << " of " << name;
    }
  }
}

TEST_P(LayoutRuns, GoesOnFromTheCheckpointOfAnotherLayout) {
  const auto whole = train({.dp = 2, .tp = 4}, config("whole"));
  train({.tp = 4}, config("parts", 3));
  EXPECT_TRUE(same_bits(train({.dp = 2, .tp = 4}, config("parts")).values, whole.values));
  if (GetParam().dtype != at::kFloat) return;
  train({.tp = 2}, config("other", 3));
  const auto other = train({.dp = 2}, config("other"));
  EXPECT_NEAR(other.losses.back(), whole.losses.back(), 1e-3);
}

TEST_P(LayoutRuns, ThePipelineChangesNoBit) {
  num_layers = 4;
  const auto wanted = train({}, config("alone"));
  for (const parallel::Layout& layout : {parallel::Layout{.pp = 2}, {.pp = 4}, {.dp = 2, .pp = 2}, {.pp = 2, .virtual_stages = 2}}) {
    const auto name = fmt::format("{} in {}", to_string(layout), layout.virtual_stages);
    const auto found = train(layout, config(name));
    EXPECT_TRUE(same_bits(found.values, wanted.values)) << name;
    EXPECT_EQ(found.losses, wanted.losses) << name;
    EXPECT_EQ(found.norms, wanted.norms) << name;
    EXPECT_EQ(found.evaluation, wanted.evaluation) << name;
  }
  EXPECT_TRUE(same_bits(train({.dp = 2, .tp = 2, .pp = 2}, config("all_axes")).values, train({.tp = 2}, config("two")).values));
}

TEST_P(LayoutRuns, RanksThatShareTheTokensOfARowDoWhatOneDoes) {
  const auto alone = train({}, config("alone")), shared = train({.cp = 2}, config("two"));
  for (size_t i = 0; GetParam().dtype == at::kFloat && i < alone.losses.size(); ++i)
    EXPECT_NEAR(shared.losses[i], alone.losses[i], 2e-5 * (1 + 10 * static_cast<double>(i))) << i;
  EXPECT_NEAR(shared.evaluation, alone.evaluation, GetParam().dtype == at::kFloat ? 1e-3 : 5e-2);
  for (const parallel::Layout& layout : {parallel::Layout{.dp = 2, .cp = 2}, {.cp = 2, .pp = 2}}) {
    const auto found = train(layout, config(to_string(layout)));
    EXPECT_TRUE(same_bits(found.values, shared.values)) << to_string(layout);
    EXPECT_EQ(found.losses, shared.losses) << to_string(layout);
  }
  EXPECT_TRUE(same_bits(train({.dp = 2, .cp = 2, .tp = 2}, config("three_axes")).values, train({.cp = 2, .tp = 2}, config("two_axes")).values));
}

/// A group whose ranks forget what the others bring to a sum; what is split off it forgets, too.
class Forgetful : public parallel::Communicator {
 public:
  Forgetful(parallel::Communicator& world, bool forgets) : group_(&world), forgets_(forgets) {}
  Forgetful(std::unique_ptr<parallel::Communicator> own) : own_(std::move(own)), group_(own_.get()), forgets_(true) {}
  int64_t rank() const override { return group_->rank(); }
  int64_t size() const override { return group_->size(); }
  void all_reduce(at::Tensor tensor) override {
    if (!forgets_ || tensor.scalar_type() != at::kFloat) group_->all_reduce(tensor);
  }
  void reduce_scatter(at::Tensor part, const at::Tensor& whole) override { group_->reduce_scatter(part, whole); }
  void all_gather(at::Tensor whole, const at::Tensor& part) override { group_->all_gather(whole, part); }
  void all_to_all(at::Tensor out, const std::vector<int64_t>& out_rows, const at::Tensor& in, const std::vector<int64_t>& in_rows) override {
    group_->all_to_all(out, out_rows, in, in_rows);
    const auto parts = out.split_with_sizes(out_rows);
    for (int64_t other = 0; other < size() && forgets_ && out.is_floating_point(); ++other)
      if (other != rank()) parts[static_cast<size_t>(other)].zero_();
  }
  void send(const at::Tensor& tensor, int64_t to, int64_t tag) override { group_->send(tensor, to, tag); }
  void receive(at::Tensor tensor, int64_t from, int64_t tag) override { group_->receive(tensor, from, tag); }
  std::function<void()> begin_send(const at::Tensor& tensor, int64_t to, int64_t tag) override { return group_->begin_send(tensor, to, tag); }
  using Communicator::exchange;
  void exchange(const at::Tensor& sent, at::Tensor received, int64_t with, Tags tags) override { group_->exchange(sent, received, with, tags); }
  void barrier(const std::string& reason) override { group_->barrier(reason); }
  std::unique_ptr<Communicator> split(int64_t colour, bool is_patient) override { return std::make_unique<Forgetful>(group_->split(colour, is_patient)); }
  void abandon() override { group_->abandon(); }

 private:
  std::unique_ptr<Communicator> own_;
  Communicator* group_;
  bool forgets_;
};

/// The loss of one batch on ranks of a layout, each of whose models is changed by `change`.
double loss_of(const parallel::Layout& layout, bool forgets, const std::function<void(model::CausalLm&)>& change) {
  double loss = 0;
  parallel::run_ranks(layout.num_ranks(), [&](parallel::Communicator& ranks) {
    at::set_num_threads(1);
    Forgetful world(ranks, false);
    const auto mesh = forgets ? parallel::Mesh(world, layout) : parallel::Mesh(ranks, layout);
    auto settings = tiny_config(false);
    settings.initializer_range = 0.2;
    const auto model = model::build_model(settings, at::kFloat, "cpu", mesh);
    model::initialize_parameters(model->parameters, 3);
    change(*model);
    const at::NoGradGuard no_grad;
    const std::vector<uint64_t> samples{0, 1};
    const auto rows = to_model_input(random_rows(4).batch(samples), *model);
    const double found = model->loss_sum(rows.input, rows.labels).item<double>();
    if (ranks.rank() == 0) loss = found;
  });
  return loss;
}

/// What the bounds of the tests above are worth: a wrong split of the heads, or a sum that is left out, breaks them.
TEST(LayoutControls, AWrongSplitOrAForgottenSumIsSeen) {
  const auto as_it_is = [](model::CausalLm&) {};
  const auto heads_of_the_other = [](model::CausalLm& model) {
    const at::NoGradGuard no_grad;
    auto& parameter = *model.parameters.find("model.layers.0.self_attn.q_proj.weight");
    const auto whole = model::initial_value(parameter, 3);
    parameter.value.copy_(whole.chunk(2, 0)[static_cast<size_t>(1 - parameter.part.index)]);
  };
  const double alone = loss_of({}, false, as_it_is);
  EXPECT_NEAR(loss_of({.tp = 2}, false, as_it_is), alone, 1e-4);
  EXPECT_GT(std::abs(loss_of({.tp = 2}, false, heads_of_the_other) - alone), 1e-2);
  EXPECT_GT(std::abs(loss_of({.tp = 2}, true, as_it_is) - alone), 1e-2);
}

/// With as many logical shards of the matrices any layout goes on from any other's checkpoint, to the same bits.
TEST_P(LayoutRuns, AnyOfEightSavesAndAnyOfEightGoesOn) {
  if (GetParam().name != "qwen2_tied" && !std::getenv("INGOT_LONG")) return;  // half a minute each
  num_layers = 4;
  struct Way { parallel::Layout layout; bool sharded = false; };
  const Way ways[] = {{{.tp = 2}}, {{.dp = 2, .tp = 2}}, {{.dp = 4, .tp = 2}, true}, {{.tp = 2, .pp = 2}},
                      {{.tp = 2, .pp = 4}}, {{.tp = 2, .pp = 2, .virtual_stages = 2}}, {{.dp = 2, .tp = 2, .pp = 2}}, {{.dp = 2, .tp = 2, .pp = 2}, true}};
  const auto run_of = [&](const Way& way, const std::string& run, int64_t steps) { return train(way.layout, way.sharded ? sharded(run, steps) : config(run, steps)); };
  const auto wanted = run_of(ways[0], "wanted", 4);
  int64_t pairs = 0;
  for (size_t first = 0; first < std::size(ways); ++first) {
    const auto saved = fmt::format("saved_{}", first);
    run_of(ways[first], saved, 3);
    for (size_t second = 0; second < std::size(ways); ++second, ++pairs) {
      const auto run = fmt::format("run_{}_{}", first, second);
      std::filesystem::copy(folder / saved, folder / run, std::filesystem::copy_options::recursive);
      const auto found = run_of(ways[second], run, 4);
      EXPECT_TRUE(same_bits(found.values, wanted.values)) << run;
      EXPECT_EQ(found.losses, wanted.losses) << run;
    }
  }
  EXPECT_EQ(pairs, 64);
}

class MixtureRuns : public LayoutRuns {};

TEST_P(MixtureRuns, SharedExpertsChangeNoBit) {
  num_layers = 4;
  const auto wanted = train({}, config("alone"));
  for (const parallel::Layout& layout : {parallel::Layout{.dp = 2, .ep = 2}, {.dp = 4, .ep = 2}, {.dp = 4, .ep = 4}, {.dp = 2, .pp = 2, .ep = 2}}) {
    const auto found = train(layout, config(to_string(layout)));
    EXPECT_TRUE(same_bits(found.values, wanted.values)) << to_string(layout);
    EXPECT_EQ(found.losses, wanted.losses) << to_string(layout);
    EXPECT_EQ(found.norms, wanted.norms) << to_string(layout);
    EXPECT_EQ(found.evaluation, wanted.evaluation) << to_string(layout);
  }
  EXPECT_TRUE(same_bits(train({.dp = 4, .ep = 2}, sharded("sharded")).values, wanted.values));
  EXPECT_TRUE(same_bits(train({.dp = 2, .tp = 2, .ep = 2}, config("all_axes")).values, train({.tp = 2}, config("two")).values));
  shards_weights = true;
  EXPECT_TRUE(same_bits(train({.dp = 4, .ep = 2}, sharded("weights")).values, wanted.values));
  shards_weights = false;
  train({.dp = 4, .ep = 4}, config("parts", 3));
  EXPECT_TRUE(same_bits(train({.pp = 2}, config("parts")).values, wanted.values));
}

TEST_P(MixtureRuns, SharedExpertsInTheFastestOrderAgreeWithinRounding) {
  auto loop = config("alone");
  loop.logical_shards = 0, loop.optimizer.bucket_bytes = 8192, loop.max_samples = 42;
  const auto wanted = train({}, loop);
  for (const int zero : {0, 1, 2}) {
    loop.output_dir = folder / fmt::format("shared_{}", zero), loop.optimizer.is_sharded = zero > 0, loop.optimizer.shards_gradients = zero > 1;
    const auto found = train({.dp = 4, .ep = 2}, loop);
    for (size_t i = 0; i < wanted.losses.size(); ++i) EXPECT_NEAR(found.losses[i], wanted.losses[i], 1e-4 * (1 + 10 * static_cast<double>(i))) << i << " with ZeRO " << zero;
  }
}

const auto kMixture = [](auto& config) { config.model_type = "mixtral", config.tie_word_embeddings = false, config.num_experts = 4, config.experts_per_token = 2, config.router_aux_loss_coef = 0.1; };
const Kind kMixtures[] = {{"mixtral", kMixture}, {"mixtral_lora", kMixture, true}, {"mixtral_bf16", kMixture, false, at::kBFloat16}};
INSTANTIATE_TEST_SUITE_P(Kinds, MixtureRuns, testing::ValuesIn(kMixtures), [](const auto& kind) { return kind.param.name; });

INSTANTIATE_TEST_SUITE_P(Kinds, LayoutRuns, testing::ValuesIn(kKinds), [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace ingot::train
