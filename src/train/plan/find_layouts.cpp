#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

#include "train/plan/layout_rules.h"
#include "train/plan/planner.h"

namespace ingot::train {
namespace {

using Shapes = std::vector<RunShape>;

constexpr int64_t kVirtualStages[] = {1, 2, 4};  // that are sought

std::vector<int64_t> divisors(int64_t number) {
  std::vector<int64_t> found;
  for (int64_t divisor = 1; divisor <= number; ++divisor)
    if (number % divisor == 0) found.push_back(divisor);
  return found;
}

/// Every shape with each of the values that `vary` gives it.
Shapes varied(const Shapes& shapes, const std::function<void(const RunShape&, Shapes&)>& vary) {
  Shapes found;
  for (const auto& shape : shapes) vary(shape, found);
  return found;
}

void vary_layout(const RunShape& shape, const Planner& planner, Shapes& found) {
  const int64_t ranks = shape.layout.num_ranks();
  for (const int64_t tp : divisors(ranks)) {
    if (tp > planner.hardware().devices_per_node || !can_share_matrices(planner.parameters(), tp)) continue;
    for (const int64_t pp : divisors(ranks / tp)) {
      if (ranks / tp / pp % shape.layout.cp != 0) continue;
      RunShape other = shape;
      other.layout = {.dp = ranks / tp / pp / shape.layout.cp, .cp = shape.layout.cp, .tp = tp, .pp = pp};
      for (const int64_t ep : divisors(shape.model.num_experts > 0 ? other.layout.dp : 1))
        for (const int64_t virtual_stages : kVirtualStages) {
          other.layout.ep = ep, other.layout.virtual_stages = virtual_stages;
          if (pp > 1 || virtual_stages == 1) found.push_back(other);
        }
    }
  }
}

Shapes candidates(const Planner& planner, const RunShape& shape, const Freedom& freedom) {
  Shapes shapes{shape};
  if (freedom.layout) shapes = varied(shapes, [&](const RunShape& one, Shapes& found) { vary_layout(one, planner, found); });
  if (freedom.zero)
    shapes = varied(shapes, [](RunShape one, Shapes& found) {
      for (one.zero_stage = 0; one.zero_stage <= (one.layout.dp == 1 ? 0 : 3); ++one.zero_stage) found.push_back(one);
    });
  if (freedom.recompute)
    shapes = varied(shapes, [](RunShape one, Shapes& found) {
      for (const auto kind : {model::Recompute::kNone, model::Recompute::kSelective, model::Recompute::kFull}) {
        one.recompute = kind;
        found.push_back(one);
      }
    });
  std::erase_if(shapes, [&](const RunShape& one) { return !planner.is_possible(one); });
  return shapes;
}

bool is_faster(const Estimate& a, const Estimate& b) {
  if (a.time.seconds != b.time.seconds) return a.time.seconds < b.time.seconds;
  return a.rank.total() < b.rank.total();
}

std::string recompute_word(model::Recompute kind) {
  return kind == model::Recompute::kNone ? "none" : kind == model::Recompute::kSelective ? "selective" : "full";
}

/// What is another in `b`, as keys and flags name it.
std::vector<std::string> differences(const RunShape& a, const RunShape& b) {
  std::vector<std::string> words;
  if (a.recompute != b.recompute) words.push_back(fmt::format("recompute: {}", recompute_word(b.recompute)));
  if (a.micro_batch != b.micro_batch) words.push_back(fmt::format("micro_batch_size: {}", b.micro_batch));
  if (a.zero_stage != b.zero_stage) words.push_back(fmt::format("zero {}", b.zero_stage));
  if (a.layout.num_ranks() != b.layout.num_ranks()) words.push_back(fmt::format("{} devices", b.layout.num_ranks()));
  if (!(a.layout == b.layout)) words.push_back(to_string(b.layout));
  if (a.value_bytes != b.value_bytes) words.push_back("precision: bf16");
  return words;
}

/// The same rows and devices: less is kept, shared otherwise, or done at a time.
Shapes changes_on_these_devices(const Planner& planner, const RunShape& shape, const Freedom& freedom) {
  Shapes shapes = candidates(planner, shape, freedom);
  shapes = varied(shapes, [](RunShape one, Shapes& found) {
    for (; one.micro_batch >= 1; one.micro_batch /= 2) {
      found.push_back(one);
      if (one.micro_batch % 2 != 0) break;
    }
  });
  std::erase_if(shapes, [&](const RunShape& one) { return one.recompute < shape.recompute || !planner.is_possible(one); });
  return shapes;
}

/// The fastest that fits; another thing to change has to be worth a fiftieth of the time.
Change best_change(Planner& planner, const RunShape& shape, const Shapes& shapes, int64_t memory) {
  Change best;
  double least = 0;
  for (const auto& one : shapes) {
    const auto words = differences(shape, one);
    auto estimate = planner.memory_estimate(one);
    if (words.empty() || estimate.rank.total() > memory) continue;
    planner.add_time(estimate);
    const double cost = estimate.time.seconds * (1 + 0.02 * static_cast<double>(words.size()));
    if (best.to && cost >= least) continue;
    best = {fmt::format("{}", fmt::join(words, ", ")), estimate};
    least = cost;
  }
  return best;
}

/// Of those that deal the model to the same ranks, the fastest, and of equals the smallest.
void keep_one_of_each_layout(std::vector<Estimate>& sorted) {
  std::vector<Estimate> kept;
  for (auto& one : sorted) {
    auto layout = one.shape.layout;
    const auto is_same = [&](const Estimate& other) {
      layout.virtual_stages = other.shape.layout.virtual_stages;
      return other.shape.layout == layout;
    };
    if (std::none_of(kept.begin(), kept.end(), is_same)) kept.push_back(std::move(one));
  }
  sorted = std::move(kept);
}

}  // namespace

Layouts find_layouts(Planner& planner, const RunShape& shape, const Freedom& freedom, int64_t memory, size_t most) {
  Layouts found;
  for (const auto& one : candidates(planner, shape, freedom)) {
    auto estimate = planner.memory_estimate(one);
    const bool is_closer = !found.closest || estimate.rank.total() < found.closest->rank.total();
    if (is_closer) found.closest = estimate;
    if (estimate.rank.total() > memory) continue;
    planner.add_time(estimate);
    found.fitting.push_back(std::move(estimate));
  }
  std::sort(found.fitting.begin(), found.fitting.end(), is_faster);
  if (freedom.layout) keep_one_of_each_layout(found.fitting);
  if (found.fitting.size() > most) found.fitting.resize(most);
  if (!found.fitting.empty()) found.closest.reset();
  if (found.closest) planner.add_time(*found.closest);
  return found;
}

Change cheapest_change(Planner& planner, const RunShape& shape, const Freedom& freedom, int64_t memory) {
  auto change = best_change(planner, shape, changes_on_these_devices(planner, shape, freedom), memory);
  if (change.to || !freedom.layout) return change;
  RunShape more = shape;
  for (int64_t ranks = 2 * shape.layout.num_ranks(); ranks <= 65536; ranks *= 2) {
    more.layout = {.dp = ranks / shape.layout.cp, .cp = shape.layout.cp};
    const auto found = find_layouts(planner, more, freedom, memory, 1);
    if (!found.fitting.empty()) return {fmt::format("{}", fmt::join(differences(shape, found.fitting[0].shape), ", ")), found.fitting[0]};
  }
  return {};
}

}  // namespace ingot::train
