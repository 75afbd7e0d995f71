#include "train/dropout_keys.h"

#include <ATen/ATen.h>

#include "core/random.h"

namespace ingot::train {

namespace {

/// Where each sample begins in the flattened batch, and the end of the last.
std::vector<int64_t> sample_starts(const data::Batch& batch) {
  const size_t samples = batch.sample_ids.size();
  if (batch.segment_starts.size() == samples + 1) return batch.segment_starts;
  TORCH_CHECK(static_cast<int64_t>(samples) == batch.rows, "a batch of ", batch.rows, " rows names ", samples, " samples");
  std::vector<int64_t> starts;
  for (int64_t row = 0; row <= batch.rows; ++row) starts.push_back(row * batch.seq_length);
  return starts;
}

}  // namespace

at::Tensor dropout_keys(const data::Batch& batch, uint64_t seed, int64_t step) {
  const auto starts = sample_starts(batch);
  at::Tensor keys = at::empty({batch.rows, batch.seq_length}, at::kLong);
  int64_t* data = keys.mutable_data_ptr<int64_t>();
  const uint64_t step_key = random_bits(seed, random_stream::kDropout, static_cast<uint64_t>(step));
  for (size_t i = 0; i < batch.sample_ids.size(); ++i) {
    const uint64_t sample_key = random_bits(step_key, random_stream::kDropout, batch.sample_ids[i]);
    for (int64_t place = starts[i]; place < starts[i + 1]; ++place)
      data[place] = static_cast<int64_t>(random_bits(sample_key, random_stream::kDropout, static_cast<uint64_t>(place - starts[i])));
  }
  return keys;
}

}  // namespace ingot::train
