#include "data/shards/batch.h"

#include <algorithm>

namespace ingot::data {

int64_t Batch::num_labels() const {
  return static_cast<int64_t>(labels.size()) - std::count(labels.begin(), labels.end(), kIgnoredLabel);
}

}  // namespace ingot::data
