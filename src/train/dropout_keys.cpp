#include "train/dropout_keys.h"

#include <ATen/ATen.h>

#include "core/random.h"

namespace ingot::train {

at::Tensor dropout_keys(const data::Batch& batch, uint64_t seed, int64_t step) {
  TORCH_CHECK(static_cast<int64_t>(batch.sample_ids.size()) == batch.rows, "a batch of ", batch.rows, " rows names ",
              batch.sample_ids.size(), " samples");
  at::Tensor keys = at::empty({batch.rows, batch.seq_length}, at::kLong);
  int64_t* data = keys.mutable_data_ptr<int64_t>();
  const uint64_t step_key = random_bits(seed, random_stream::kDropout, static_cast<uint64_t>(step));
  for (const uint64_t sample : batch.sample_ids) {
    const uint64_t row_key = random_bits(step_key, random_stream::kDropout, sample);
    for (int64_t place = 0; place < batch.seq_length; ++place)
      *data++ = static_cast<int64_t>(random_bits(row_key, random_stream::kDropout, static_cast<uint64_t>(place)));
  }
  return keys;
}

}  // namespace ingot::train
