#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "data/shards/batch.h"
#include "data/shards/row_source.h"

namespace ingot::train {

/// Where the loop's rows come from.
struct DataSource {
  uint64_t num_samples = 0;  // of one epoch
  /// The rows of these global sample indices (0-based over all epochs), in that order.
  std::function<data::Batch(std::span<const uint64_t> samples)> batch;
};

struct SampleOrder {
  uint64_t seed = 42;
  bool shuffle = true;  // false: rows in ascending order, epoch after epoch
};

/// The rows named in `rows`, visited once an epoch in the order of data::Sampler.
DataSource training_source(std::shared_ptr<const data::RowSource> dataset, std::vector<uint64_t> rows,
                           SampleOrder order);

/// The rows named in `rows` one after another.
DataSource evaluation_source(std::shared_ptr<const data::RowSource> dataset, std::vector<uint64_t> rows);

}  // namespace ingot::train
