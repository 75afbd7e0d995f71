#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/problems.h"

namespace ingot::parallel {

/// How many ranks share what: rows of the batch (dp), tokens of a row (cp), the matrices (tp), the layers (pp). Of the dp ranks
/// `ep` neighbours together hold one set of experts.
struct Layout {
  int64_t dp = 1, cp = 1, tp = 1, pp = 1;
  int64_t ep = 1;              // divides dp
  int64_t virtual_stages = 1;  // chunks of layers of each pipeline rank
  int64_t num_ranks() const { return dp * cp * tp * pp; }
  void check(Problems& problems) const;
  bool operator==(const Layout&) const = default;
};

/// "dp 2 x tp 4 x pp 2": what is not 1; "one rank" when all are.
std::string to_string(const Layout& layout);

enum class Axis { kData, kContext, kTensor, kPipeline, kExpert, kExpertData };  // the last: that have the same experts and other rows

/// Where a rank stands on each axis. Ranks are counted along tp first, then cp, dp and pp: those that talk most are neighbours, on
/// one host. Source of the order: Megatron-LM (tp-cp-ep-dp-pp).
struct Place {
  int64_t dp = 0, cp = 0, tp = 0, pp = 0;
  bool operator==(const Place&) const = default;
};
Place place_of(const Layout& layout, int64_t rank);
int64_t rank_of(const Layout& layout, const Place& place);

/// The ranks that differ from `rank` on one axis alone, and itself, in order.
std::vector<int64_t> group_of(const Layout& layout, Axis axis, int64_t rank);

}  // namespace ingot::parallel
