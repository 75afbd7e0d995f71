#include "train/row_exchange.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "parallel/row_share.h"

namespace ingot::train {
namespace {

constexpr size_t kMostExchanges = 2;  // under way: one arrives while the next bucket is filled

}  // namespace

void RowExchange::add(at::Tensor whole, parallel::Communicator& ranks) {
  if (ranks.size() == 1) return;
  auto place = std::find_if(filling_.begin(), filling_.end(), [&](const Bucket& one) { return one.ranks == &ranks && one.tensors[0].scalar_type() == whole.scalar_type(); });
  if (place == filling_.end()) place = filling_.insert(place, Bucket{.ranks = &ranks});
  place->bytes += static_cast<int64_t>(whole.nbytes());
  place->tensors.push_back(std::move(whole));
  if (place->bytes < bucket_bytes_) return;
  leave(std::move(*place));
  filling_.erase(place);
}

void RowExchange::finish() {
  for (auto& bucket : std::exchange(filling_, {})) leave(std::move(bucket));
  while (!under_way_.empty()) arrive();
}

void RowExchange::leave(Bucket bucket) {
  int64_t share = 0;
  for (const auto& whole : bucket.tensors) share += parallel::share_size(whole, bucket.ranks->size());
  const auto mine = at::empty({share}, bucket.tensors[0].options().requires_grad(false));
  int64_t begin = 0;
  for (const auto& whole : bucket.tensors) {
    const auto own = parallel::row_share(whole.size(0), *bucket.ranks).of(whole);
    mine.narrow(0, begin, own.numel()).copy_(own.reshape({-1}));
    begin += parallel::share_size(whole, bucket.ranks->size());
  }
  if (under_way_.size() == kMostExchanges) arrive();
  bucket.shares = at::empty({bucket.ranks->size(), share}, mine.options());
  bucket.call = bucket.ranks->begin_all_gather(bucket.shares.view({-1}), mine);
  under_way_.push_back(std::move(bucket));
}

/// The first of those under way.
void RowExchange::arrive() {
  const Bucket bucket = std::move(under_way_.front());
  under_way_.pop_front();
  bucket.call.wait();
  int64_t begin = 0;
  for (const auto& whole : bucket.tensors) {
    for (auto& [rows, place] : parallel::rows_in_shares(bucket.shares, begin, whole)) rows.copy_(place);
    begin += parallel::share_size(whole, bucket.ranks->size());
  }
}

}  // namespace ingot::train
