#include "train/data_source.h"

#include "data/shards/sampler.h"

namespace ingot::train {

DataSource training_source(std::shared_ptr<const data::RowSource> dataset, std::vector<uint64_t> rows,
                           SampleOrder order) {
  const data::Sampler sampler(rows.size(), order.seed, order.shuffle);
  const uint64_t num_samples = rows.size();
  return {num_samples, [dataset = std::move(dataset), rows = std::move(rows), sampler](auto samples) {
            std::vector<uint64_t> chosen;
            for (const uint64_t index : samples) chosen.push_back(rows[sampler.sample(index)]);
            return dataset->batch(chosen);
          }};
}

DataSource evaluation_source(std::shared_ptr<const data::RowSource> dataset, std::vector<uint64_t> rows) {
  return training_source(std::move(dataset), std::move(rows), {.seed = 0, .shuffle = false});
}

}  // namespace ingot::train
