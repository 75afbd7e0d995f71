// Values of which each rank keeps its rows, whole only while they are used.
#include "model/sharded_values.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/causal_lm.h"
#include "parallel/mesh.h"

namespace ingot::model {
namespace {

size_t bytes_of(const at::Tensor& tensor) { return tensor.storage().nbytes(); }

/// tanh(x * weightᵀ), and what it gives backward to x and the weight, with the weight sharded over the ranks or whole.
struct Passed { at::Tensor out, d_x, d_weight; };
Passed passed(const at::Tensor& weight, const at::Tensor& x, const ValueUnit& unit) {
  const auto out = unit.around([&](const at::Tensor& in) { return std::vector{at::tanh(at::linear(in, weight))}; }, x)[0];
  out.square().sum().backward();
  return {out.detach(), x.grad(), weight.grad()};
}

at::Tensor random_rows(int64_t rows, int64_t columns, uint64_t seed) {
  at::manual_seed(seed);
  return at::randn({rows, columns});
}

TEST(ShardedValues, AreWholeForBothPassesAndWithoutMemoryBetween) {
  for (const int64_t rows : {6, 7}) {  // of three ranks; 7: the last has fewer
    const auto whole = random_rows(rows, 4, 1), x = random_rows(5, 4, 2);
    auto plain = whole.clone().set_requires_grad(true);
    const auto wanted = passed(plain, x.clone().set_requires_grad(true), ValueUnit::none());
    parallel::run_ranks(3, [&](parallel::Communicator& ranks) {
      auto weight = whole.clone().set_requires_grad(true);
      const auto value = std::make_shared<ShardedValue>(weight, ranks);
      const ValueUnit unit({value});
      EXPECT_EQ(bytes_of(weight), 0u);
      EXPECT_TRUE(value->own.equal(value->rows.of(whole)));
      for (const bool learns : {true, false}) {  // nothing below it learns: the end of the pass lets go
        weight.mutable_grad().reset();
        const auto found = passed(weight, x.clone().set_requires_grad(learns), unit);
        EXPECT_EQ(bytes_of(weight), 0u);
        EXPECT_TRUE(found.out.equal(wanted.out));
        EXPECT_TRUE(found.d_weight.equal(wanted.d_weight));
        EXPECT_TRUE(!learns || found.d_x.equal(wanted.d_x));
      }
      if (ranks.rank() == 0) value->own.add_(1);  // as an optimizer does
      EXPECT_FALSE(passed(weight, x.clone().set_requires_grad(true), unit).out.equal(wanted.out));
    });
  }
}

TEST(ShardedValues, OfAModelAreRowsOfWhatOneRankHas) {
  DecoderConfig config;
  config.model_type = "llama", config.vocab_size = 31, config.hidden_size = 16, config.num_layers = 2, config.num_heads = 2, config.num_kv_heads = 2;
  config.head_dim = 8, config.intermediate_size = 24, config.initializer_range = 0.1;
  parallel::run_ranks(2, [&](parallel::Communicator& ranks) {
    parallel::Mesh mesh(ranks);
    mesh.shards_weights = true;
    const auto model = build_model(config, at::kFloat, "cpu", mesh);
    initialize_parameters(model->parameters, 3);
    for (const auto& parameter : model->parameters.parameters) {
      if (parameter->name == "model.norm.weight") continue;
      ASSERT_TRUE(parameter->sharded) << parameter->name;
      EXPECT_EQ(bytes_of(parameter->value), 0u) << parameter->name;
      EXPECT_TRUE(parameter->sharded->own.equal(parameter->sharded->rows.of(initial_value(*parameter, 3)))) << parameter->name;
    }
  });
}

}  // namespace
}  // namespace ingot::model
