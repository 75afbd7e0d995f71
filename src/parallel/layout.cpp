#include "parallel/layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

namespace ingot::parallel {

void Layout::check(Problems& problems) const {
  for (const auto& [name, value] : {std::pair{"data parallel size", dp}, {"context_parallel_size", cp}, {"tensor_model_parallel_size", tp},
                                    {"pipeline_model_parallel_size", pp}, {"expert_model_parallel_size", ep},
                                    {"virtual_pipeline_model_parallel_size", virtual_stages}})
    problems.expect(value >= 1, name, value, "1 or more");
  problems.expect(ep < 1 || dp % ep == 0, "expert_model_parallel_size", ep, fmt::format("a divisor of the {} data parallel ranks", dp));
}

std::string to_string(const Layout& layout) {
  std::vector<std::string> words;
  for (const auto& [name, value] : {std::pair{"dp", layout.dp}, {"cp", layout.cp}, {"tp", layout.tp}, {"pp", layout.pp}, {"ep", layout.ep}})
    if (value != 1) words.push_back(fmt::format("{} {}", name, value));
  return words.empty() ? "one rank" : fmt::format("{}", fmt::join(words, " x "));
}

Place place_of(const Layout& layout, int64_t rank) {
  Place place;
  for (auto [size, coordinate] : {std::pair{layout.tp, &place.tp}, {layout.cp, &place.cp}, {layout.dp, &place.dp}, {layout.pp, &place.pp}})
    *coordinate = rank % size, rank /= size;
  return place;
}

int64_t rank_of(const Layout& layout, const Place& place) {
  return ((place.pp * layout.dp + place.dp) * layout.cp + place.cp) * layout.tp + place.tp;
}

std::vector<int64_t> group_of(const Layout& layout, Axis axis, int64_t rank) {
  Place place = place_of(layout, rank);
  int64_t size = layout.dp, first = 0, step = 1;
  int64_t* coordinate = &place.dp;
  switch (axis) {
    case Axis::kData: break;
    case Axis::kContext: size = layout.cp, coordinate = &place.cp; break;
    case Axis::kTensor: size = layout.tp, coordinate = &place.tp; break;
    case Axis::kPipeline: size = layout.pp, coordinate = &place.pp; break;
    case Axis::kExpert: size = layout.ep, first = place.dp / layout.ep * layout.ep; break;
    case Axis::kExpertData: size = layout.dp / layout.ep, first = place.dp % layout.ep, step = layout.ep; break;
  }
  std::vector<int64_t> ranks;
  for (int64_t i = 0; i < size; ++i) *coordinate = first + i * step, ranks.push_back(rank_of(layout, place));
  return ranks;
}

}  // namespace ingot::parallel
