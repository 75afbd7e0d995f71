#include "train/plan/layout_rules.h"

#include <algorithm>
#include <functional>

namespace ingot::train {
namespace {

using Possible = std::function<bool(int64_t)>;

/// "2 or 4": the possible numbers next to one that is not.
std::string nearest(int64_t found, int64_t most, const Possible& possible) {
  int64_t below = std::min(found, most + 1) - 1, above = std::max<int64_t>(1, found + 1);
  while (below > 0 && !possible(below)) --below;
  while (above <= most && !possible(above)) ++above;
  if (below <= 0) return above <= most ? std::to_string(above) : "1";
  return above <= most ? fmt::format("{} or {}", below, above) : std::to_string(below);
}

void expect_axis(Problems& problems, const char* name, int64_t found, int64_t most, const std::string& why, const Possible& possible) {
  if (found >= 1 && found <= most && possible(found)) return;
  problems.add(fmt::format("{}: found {}, wanted {}: {}", name, found, nearest(found, most, possible), why));
}

std::string what_is_shared(const model::DecoderConfig& model) {
  return fmt::format("{} heads, {} key/value heads, {} columns of the MLP and {} rows of the vocabulary are shared evenly", model.num_heads,
                     model.num_kv_heads, model.intermediate_size, model.vocab_size);
}

void check_batch(Problems& problems, const RunShape& shape, const LayoutNames& names) {
  const auto& layout = shape.layout;
  if (names.dp == nullptr || layout.dp < 1 || shape.micro_batch < 1) return;
  const int64_t most = shape.global_batch / shape.micro_batch;
  expect_axis(problems, names.dp, layout.dp, std::max<int64_t>(1, most),
              fmt::format("a global batch of {} rows has {} micro-batches of {}", shape.global_batch, most, shape.micro_batch),
              [&](int64_t dp) { return shape.global_batch % (shape.micro_batch * dp) == 0; });
}

}  // namespace

bool can_share_matrices(const std::vector<PlannedParameter>& parameters, int64_t tp) {
  return std::all_of(parameters.begin(), parameters.end(), [&](const PlannedParameter& parameter) {
    if (parameter.spec.layer > 0 || parameter.spec.expert > 0) return true;  // as those of the first
    const bool share_heads = parameter.use == Use::kQkv;  // key/value heads alone may be on several ranks
    const auto& blocks = parameter.spec.split.blocks;
    const bool even = share_heads || std::all_of(blocks.begin(), blocks.end(), [&](const auto& block) { return block.units % tp == 0; });
    return even && parallel::can_split(parameter.spec.split, tp);
  });
}

void check_layout(Problems& problems, const RunShape& shape, const std::vector<PlannedParameter>& parameters, const LayoutNames& names) {
  const auto& model = shape.model;
  const auto& layout = shape.layout;
  expect_axis(problems, names.tp, layout.tp, model.num_heads, what_is_shared(model),
              [&](int64_t tp) { return can_share_matrices(parameters, tp); });
  expect_axis(problems, names.pp, layout.pp, model.num_layers, fmt::format("a stage has one of {} layers or more", model.num_layers),
              [](int64_t) { return true; });
  if (layout.virtual_stages != 1 && layout.pp >= 1)
    expect_axis(problems, names.virtual_stages, layout.virtual_stages, std::max<int64_t>(1, model.num_layers / layout.pp),
                fmt::format("each of pp {} x virtual stages pieces has one of {} layers or more", layout.pp, model.num_layers),
                [&](int64_t) { return true; });
  expect_axis(problems, names.cp, layout.cp, shape.seq_length, fmt::format("a row of {} tokens is cut into 2 cp equal pieces", shape.seq_length),
              [&](int64_t cp) { return cp == 1 || shape.seq_length % (2 * cp) == 0; });
  const std::string experts = model.num_experts > 0
                                  ? fmt::format("{} experts and dp {} are shared evenly", model.num_experts, layout.dp)
                                  : "the model has no experts";
  expect_axis(problems, names.ep, layout.ep, std::max<int64_t>(1, model.num_experts), experts,
              [&](int64_t ep) { return ep == 1 || (model.num_experts % ep == 0 && layout.dp % ep == 0); });
  problems.expect(shape.zero_stage >= 0 && shape.zero_stage <= 3, names.zero, shape.zero_stage, "0 to 3");
  problems.expect(shape.zero_stage <= 1 || layout.pp == 1, names.zero, shape.zero_stage,
                  fmt::format("0 or 1 with pp {}: gradients are summed over the micro-batches of the pipeline", layout.pp));
  check_batch(problems, shape, names);
}

bool is_possible(const RunShape& shape, const std::vector<PlannedParameter>& parameters) {
  Problems problems;
  check_layout(problems, shape, parameters);
  return problems.list().empty();
}

}  // namespace ingot::train
