#include "train/dropout_keys.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace ingot::train {
namespace {

/// Rows of four tokens.
data::Batch rows(const std::vector<uint64_t>& samples) {
  data::Batch batch;
  batch.rows = static_cast<int64_t>(samples.size()), batch.seq_length = 4, batch.sample_ids = samples;
  batch.segment_starts = {0, 1};  // more segments than samples, fewer: neither is one a sample
  batch.segment_starts.resize(samples.size() + 2, batch.rows * 4);
  return batch;
}

/// One row of a sample of three tokens and one of five.
data::Batch packed(const std::vector<uint64_t>& samples) {
  data::Batch batch;
  batch.rows = 1, batch.seq_length = 8, batch.sample_ids = samples, batch.segment_starts = {0, 3, 8};
  return batch;
}

TEST(DropoutKeys, DependOnSeedStepSampleAndPlace) {
  const auto keys = dropout_keys(rows({3, 9}), 1, 5);
  EXPECT_TRUE(at::equal(keys, dropout_keys(rows({3, 9}), 1, 5)));
  EXPECT_FALSE(at::equal(keys, dropout_keys(rows({3, 9}), 2, 5)));
  EXPECT_FALSE(at::equal(keys, dropout_keys(rows({3, 9}), 1, 6)));
  EXPECT_EQ(std::get<0>(at::_unique(keys)).numel(), 8);
}

TEST(DropoutKeys, AreTheSameHoweverABatchIsCut) {
  const auto keys = dropout_keys(rows({3, 9}), 1, 5);
  EXPECT_TRUE(at::equal(keys[1], dropout_keys(rows({9}), 1, 5)[0]));
}

TEST(DropoutKeys, BelongToTheSampleWhereverItIsPacked) {
  const auto keys = dropout_keys(packed({3, 9}), 1, 5)[0], other = dropout_keys(packed({9, 3}), 1, 5)[0];
  EXPECT_TRUE(at::equal(keys.narrow(0, 0, 3), other.narrow(0, 3, 3)));
  EXPECT_TRUE(at::equal(keys.narrow(0, 3, 3), other.narrow(0, 0, 3)));
  EXPECT_TRUE(at::equal(keys.narrow(0, 0, 3), dropout_keys(rows({3}), 1, 5)[0].narrow(0, 0, 3)));
}

TEST(DropoutKeys, RejectSamplesThatAreNeitherRowsNorSegments) {
  EXPECT_THROW(dropout_keys(packed({1, 2, 3, 4}), 1, 5), c10::Error);
}

}  // namespace
}  // namespace ingot::train
