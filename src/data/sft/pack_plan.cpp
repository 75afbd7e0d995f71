#include "data/sft/pack_plan.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace ingot::data {
namespace {

/// Item numbers by falling length, equal lengths in ascending order.
std::vector<uint64_t> longest_first(std::span<const uint32_t> lengths) {
  std::vector<uint64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), uint64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](uint64_t a, uint64_t b) { return lengths[a] > lengths[b]; });
  return order;
}

/// The pack of every item, numbered as they are opened.
std::vector<uint64_t> assign(std::span<const uint32_t> lengths, uint32_t capacity) {
  std::vector<uint64_t> pack_of(lengths.size());
  std::map<uint32_t, std::vector<uint64_t>> open;  // room left to packs that have it
  uint64_t num_packs = 0;
  for (const uint64_t item : longest_first(lengths)) {
    auto fullest = open.lower_bound(lengths[item]);
    uint64_t pack = num_packs;
    uint32_t room = capacity;
    if (fullest == open.end()) {
      ++num_packs;
    } else {
      room = fullest->first;
      pack = fullest->second.back();
      fullest->second.pop_back();
      if (fullest->second.empty()) open.erase(fullest);
    }
    pack_of[item] = pack;
    open[room - lengths[item]].push_back(pack);
  }
  return pack_of;
}

}  // namespace

PackPlan pack_best_fit(std::span<const uint32_t> lengths, uint32_t capacity) {
  std::vector<uint64_t> pack_of = assign(lengths, capacity);
  constexpr uint64_t kNone = ~uint64_t{0};
  std::vector<uint64_t> place(lengths.size(), kNone);  // of a pack, by its first member
  uint64_t num_packs = 0;
  for (uint64_t& pack : pack_of) {
    if (place[pack] == kNone) place[pack] = num_packs++;
    pack = place[pack];
  }
  PackPlan plan;
  plan.starts.assign(num_packs + 1, 0);
  for (const uint64_t pack : pack_of) ++plan.starts[pack + 1];
  std::partial_sum(plan.starts.begin(), plan.starts.end(), plan.starts.begin());
  std::vector<uint64_t> next(plan.starts.begin(), plan.starts.end() - 1);
  plan.members.resize(lengths.size());
  for (uint64_t item = 0; item < lengths.size(); ++item) plan.members[next[pack_of[item]]++] = item;
  return plan;
}

}  // namespace ingot::data
