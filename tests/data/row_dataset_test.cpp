#include "data/shards/row_dataset.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "core/error.h"
#include "test_files.h"

namespace ingot::data {
namespace {

/// A data set of documents with the lengths given; token i of the stream is i.
std::shared_ptr<const IndexedDataset> counting_stream(const ScratchFolder& folder, const std::vector<size_t>& lengths) {
  IndexedDatasetWriter writer(folder / "a", 1 << 20);
  TokenId next = 0;
  for (const size_t length : lengths) {
    std::vector<TokenId> document(length);
    std::iota(document.begin(), document.end(), next);
    next += static_cast<TokenId>(length);
    writer.add_document(document);
  }
  writer.finish();
  return std::make_shared<IndexedDataset>(folder / "a");
}

Batch all_rows(const RowDataset& rows) {
  std::vector<uint64_t> numbers(rows.num_rows());
  std::iota(numbers.begin(), numbers.end(), 0);
  return rows.batch(numbers);
}

TEST(RowDataset, EveryTokenIsAnInputOnceAndEveryOtherButTheFirstALabelOnce) {
  std::mt19937 random(9);
  for (int round = 0; round < 40; ++round) {
    const ScratchFolder folder;
    const size_t num_tokens = 2 + random() % 200;
    const int64_t seq_length = 1 + random() % 20;
    const RowDataset rows(counting_stream(folder, {num_tokens}), {seq_length, false, false});
    const Batch batch = all_rows(rows);
    ASSERT_EQ(batch.num_labels(), static_cast<int64_t>(num_tokens) - 1);
    for (size_t i = 0; i < batch.tokens.size(); ++i) {
      const auto last = static_cast<TokenId>(num_tokens) - 1, place = static_cast<TokenId>(i);
      ASSERT_EQ(batch.tokens[i], std::min(place, last));
      ASSERT_EQ(batch.labels[i], place < last ? place + 1 : kIgnoredLabel);
    }
    for (int64_t row = 0; row < batch.rows; ++row) ASSERT_NE(batch.labels[row * seq_length], kIgnoredLabel);
  }
}

TEST(RowDataset, RowsOfSeveralSetsAreThoseOfEachByItself) {
  std::mt19937 random(11);
  for (int round = 0; round < 40; ++round) {
    const ScratchFolder folder, alone;
    std::vector<size_t> lengths;  // of documents
    std::vector<uint64_t> documents_of_sets;
    for (uint32_t set = 1 + random() % 5; set > 0; --set) {
      documents_of_sets.push_back(1 + random() % 4);
      for (uint64_t n = documents_of_sets.back(); n > 0; --n) lengths.push_back(2 + random() % 30);
    }
    const auto stream = counting_stream(folder, lengths);
    const RowOptions options{1 + static_cast<int64_t>(random() % 20), random() % 2 == 0, random() % 2 == 0};
    const RowDataset rows(stream, options, ends_of_sets(*stream, documents_of_sets));
    uint64_t document = 0;
    for (size_t set = 0; set < documents_of_sets.size(); ++set) {
      const auto first = static_cast<TokenId>(stream->document_start(document));
      const RowDataset by_itself(counting_stream(alone, {lengths.begin() + document, lengths.begin() + document + documents_of_sets[set]}), options);
      document += documents_of_sets[set];
      ASSERT_EQ(rows.cuts().first_row(set + 1) - rows.cuts().first_row(set), by_itself.num_rows());
      std::vector<uint64_t> numbers(by_itself.num_rows());
      std::iota(numbers.begin(), numbers.end(), rows.cuts().first_row(set));
      Batch found = rows.batch(numbers);
      const Batch wanted = all_rows(by_itself);
      for (auto* ids : {&found.tokens, &found.labels})
        for (TokenId& id : *ids) id -= id == kIgnoredLabel ? 0 : first;
      ASSERT_EQ(found.tokens, wanted.tokens);
      ASSERT_EQ(found.labels, wanted.labels);
      ASSERT_EQ(found.positions, wanted.positions);
      ASSERT_EQ(found.segment_starts, wanted.segment_starts);
    }
    ASSERT_EQ(rows.num_rows(), rows.cuts().first_row(documents_of_sets.size()));
  }
}

TEST(RowDataset, DocumentsOfSetsAreAllDocuments) {
  const ScratchFolder folder;
  const auto stream = counting_stream(folder, {5, 5, 5});
  EXPECT_EQ(ends_of_sets(*stream, {1, 0, 2}), (std::vector<uint64_t>{5, 5, 15}));
  EXPECT_THROW(ends_of_sets(*stream, {1, 1}), DataError);
  EXPECT_THROW(ends_of_sets(*stream, {2, 2}), DataError);
}

TEST(RowDataset, BatchHoldsTheRowsAskedForInTheirOrder) {
  const ScratchFolder folder;
  const RowDataset rows(counting_stream(folder, {100}), {4, false, false});
  const Batch batch = rows.batch(std::vector<uint64_t>{7, 2});
  EXPECT_EQ(batch.tokens, (std::vector<TokenId>{28, 29, 30, 31, 8, 9, 10, 11}));
  EXPECT_EQ(batch.labels, (std::vector<TokenId>{29, 30, 31, 32, 9, 10, 11, 12}));
  EXPECT_EQ(batch.positions, (std::vector<int32_t>{0, 1, 2, 3, 0, 1, 2, 3}));
  EXPECT_EQ(batch.segment_starts, (std::vector<int64_t>{0, 4, 8}));
  EXPECT_EQ(batch.sample_ids, (std::vector<uint64_t>{7, 2}));
}

TEST(RowDataset, PositionsAndSegmentsRestartAtDocuments) {
  const ScratchFolder folder;
  const RowDataset rows(counting_stream(folder, {3, 0, 2, 6, 1}), {4, true, true});
  const Batch batch = all_rows(rows);
  EXPECT_EQ(batch.tokens, (std::vector<TokenId>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(batch.positions, (std::vector<int32_t>{0, 1, 2, 0, 0, 0, 1, 2, 0, 1, 2, 0}));
  EXPECT_EQ(batch.segment_starts, (std::vector<int64_t>{0, 3, 4, 5, 8, 11, 12}));
}

TEST(RowDataset, EachResetCanBeHadAlone) {
  const ScratchFolder folder;
  const auto stream = counting_stream(folder, {3, 6});
  EXPECT_EQ(all_rows({stream, {8, true, false}}).segment_starts, (std::vector<int64_t>{0, 8}));
  EXPECT_EQ(all_rows({stream, {8, true, false}}).positions, (std::vector<int32_t>{0, 1, 2, 0, 1, 2, 3, 4}));
  EXPECT_EQ(all_rows({stream, {8, false, true}}).segment_starts, (std::vector<int64_t>{0, 3, 8}));
  EXPECT_EQ(all_rows({stream, {8, false, true}}).positions, (std::vector<int32_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(RowDataset, SegmentsOfRandomStreamsAreTheDocuments) {
  std::mt19937 random(4);
  for (int round = 0; round < 20; ++round) {
    const ScratchFolder folder;
    std::vector<size_t> lengths{2};
    for (uint32_t n = random() % 30; n > 0; --n) lengths.push_back(random() % 12);
    const auto stream = counting_stream(folder, lengths);
    const int64_t seq_length = 1 + random() % 16;
    const Batch batch = all_rows({stream, {seq_length, true, true}});
    std::vector<bool> starts(batch.tokens.size() + 1);
    for (const int64_t start : batch.segment_starts) starts.at(start) = true;
    for (uint64_t i = 0; i < batch.tokens.size() && i < stream->num_tokens(); ++i) {
      const bool border = i % seq_length == 0 || stream->document_of(i) != stream->document_of(i - 1);
      ASSERT_EQ(starts[i], border);
      ASSERT_EQ(batch.positions[i], border ? 0 : batch.positions[i - 1] + 1);
    }
  }
}

TEST(RowDataset, ImpossibleRequestsAreRefused) {
  const ScratchFolder folder;
  const auto stream = counting_stream(folder, {9});
  EXPECT_THROW(RowDataset(stream, {0, false, false}), ConfigError);
  const RowDataset rows(stream, {4, false, false});
  EXPECT_EQ(rows.num_rows(), 2u);
  EXPECT_THROW(rows.batch(std::vector<uint64_t>{2}), DataError);
  EXPECT_THROW(RowDataset(counting_stream(folder, {1}), {4, false, false}), DataError);
}

}  // namespace
}  // namespace ingot::data
