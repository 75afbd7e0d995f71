#include "train/data_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "data/shards/row_dataset.h"
#include "temporary_folder.h"

namespace ingot::train {
namespace {

/// Ten rows of four tokens: row r holds 4r, 4r+1, 4r+2, 4r+3.
std::shared_ptr<const data::RowDataset> ten_rows(const TemporaryFolder& folder) {
  data::IndexedDatasetWriter writer(folder / "tokens", 100);
  std::vector<data::TokenId> tokens(41);
  std::iota(tokens.begin(), tokens.end(), 0);
  writer.add_document(tokens);
  writer.finish();
  return std::make_shared<data::RowDataset>(std::make_shared<data::IndexedDataset>(folder / "tokens"),
                                            data::RowOptions{.seq_length = 4});
}

using Ids = std::vector<uint64_t>;

Ids ids_of(const DataSource& source, const Ids& samples) { return source.batch(samples).sample_ids; }

TEST(DataSource, GivesRowsInOrderWithoutShuffle) {
  const TemporaryFolder folder;
  const auto source = training_source(ten_rows(folder), {1, 5, 8}, {.shuffle = false});
  EXPECT_EQ(source.num_samples, 3u);
  EXPECT_EQ(ids_of(source, {0, 1, 2, 3, 7}), (Ids{1, 5, 8, 1, 5}));
  EXPECT_EQ(source.batch(Ids{2}).tokens, (std::vector<data::TokenId>{32, 33, 34, 35}));
}

TEST(DataSource, VisitsEveryRowOnceAnEpoch) {
  const TemporaryFolder folder;
  const Ids rows = {0, 2, 3, 5, 6, 9}, epoch = {6, 7, 8, 9, 10, 11};
  Ids seen = ids_of(training_source(ten_rows(folder), rows, {.seed = 4}), epoch);
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, rows);
}

TEST(DataSource, DependsOnTheSeed) {
  const TemporaryFolder folder;
  const Ids rows = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const auto dataset = ten_rows(folder);
  const auto order = [&](uint64_t seed) { return ids_of(training_source(dataset, rows, {.seed = seed}), rows); };
  EXPECT_EQ(order(1), order(1));
  EXPECT_NE(order(1), order(2));
}

TEST(DataSource, EvaluatesRowsOneAfterAnother) {
  const TemporaryFolder folder;
  EXPECT_EQ(ids_of(evaluation_source(ten_rows(folder), {3, 4, 9}), {0, 1, 2}), (Ids{3, 4, 9}));
}

}  // namespace
}  // namespace ingot::train
