// Training with the matrices shared by several ranks, which are threads here, or threads of two processes' worth of Gloo.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <mutex>

#include "core/stop.h"
#include "model/lora.h"
#include "parallel/mesh.h"
#include "temporary_folder.h"
#include "train/loop.h"
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
};

class TensorParallel : public testing::TestWithParam<Kind> {
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
    return config;
  }

  static std::unique_ptr<model::CausalLm> make_model(const Kind& kind, parallel::Communicator& ranks) {
    auto settings = tiny_config();
    settings.initializer_range = 0.2;
    kind.change(settings);
    auto made = model::build_model(settings, at::kFloat, "cpu", ranks);
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
    const parallel::Mesh mesh(world, layout);
    const auto model = make_model(GetParam(), mesh.tensor);
    const std::vector<EvaluationSet> eval{{"eval", random_rows(11)}};
    const auto result = run_loop(*model, random_rows(100, [](uint64_t row) { return static_cast<int64_t>(row % 7) * 2 + 1; }), eval, loop, mesh);
    const std::lock_guard lock(mutex);
    if (world.rank() == 0 && result.last_evaluation) outcome.evaluation = result.last_evaluation->loss;
    for (const auto& parameter : model->parameters.parameters) put_parts(*parameter, outcome.values);
  }

  static void put_parts(const model::Parameter& parameter, Values& values) {
    const auto [place, is_new] = values.try_emplace(parameter.name);
    if (is_new) place->second = at::full(parameter.shape, std::nan(""));
    const auto value = parameter.value.detach();
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
};

TEST_P(TensorParallel, DoesWhatOneRankDoes) {
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

TEST_P(TensorParallel, WithSoManyLogicalShardsNoLayoutChangesABit) {
  const auto wanted = train({.tp = 4}, config("threads"));
  EXPECT_TRUE(same_bits(train({.dp = 2, .tp = 4}, config("two_by_four")).values, wanted.values));
  EXPECT_EQ(train({.dp = 4, .tp = 4}, config("four_by_four")).losses, wanted.losses);
  EXPECT_FALSE(same_bits(train({.tp = 2}, config("two")).values, wanted.values));
}

TEST_P(TensorParallel, AShardedOptimizerMakesTheSameUpdatesAndAnyLayoutReadsItsCheckpoints) {
  const auto wanted = train({.tp = 2}, config("wanted"));
  EXPECT_TRUE(same_bits(train({.dp = 4, .tp = 2}, sharded("four")).values, wanted.values));
  train({.dp = 2, .tp = 2}, sharded("parts", 3));
  EXPECT_TRUE(same_bits(train({.dp = 4, .tp = 2}, sharded("parts")).values, wanted.values));
  train({.dp = 4, .tp = 2}, sharded("whole", 3));
  EXPECT_TRUE(same_bits(train({.tp = 2}, config("whole")).values, wanted.values));
}

TEST_P(TensorParallel, GoesOnFromTheCheckpointOfAnotherLayout) {
  const auto whole = train({.dp = 2, .tp = 4}, config("whole"));
  train({.tp = 4}, config("parts", 3));
  EXPECT_TRUE(same_bits(train({.dp = 2, .tp = 4}, config("parts")).values, whole.values));
  train({.tp = 2}, config("other", 3));
  const auto other = train({.dp = 2}, config("other"));
  EXPECT_NEAR(other.losses.back(), whole.losses.back(), 1e-3);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TensorParallel, testing::ValuesIn(kKinds), [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace ingot::train
